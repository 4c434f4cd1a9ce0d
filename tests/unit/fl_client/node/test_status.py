"""The status of a box that does not run, from its files."""

import io
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fl_client.home import STORE
from fl_client.node.status import read_status
from fl_client.node.status_table import status_table
from fl_client.store.database import open_store, transaction
from fl_client.store.outbox import StoredEvents
from fl_common.wire.cloud_events import JSON, CloudEvent


def shown(home: Path) -> str:
    told = io.StringIO()
    Console(file=told, width=200).print(status_table(read_status(home)))
    return told.getvalue()


def test_it_has_the_events_that_wait_and_why_others_were_dropped(tmp_path: Path) -> None:
    event = CloudEvent("e", "urn:box", "t", datacontenttype=JSON, data=1)
    with closing(open_store(tmp_path / STORE)) as connection:
        stored = StoredEvents(connection, 100, has_broker=True)
        with transaction(connection):
            stored.put([("events/box", event)] * 5)
            stored.settle([(1, None), (2, "not_authorized")])
    told = shown(tmp_path)
    assert "5 made = 1 published + 3 waiting + 1 dropped" in told
    assert "1 not_authorized" in told


def test_it_has_no_events_of_a_box_that_never_ran(tmp_path: Path) -> None:
    open_store(tmp_path / STORE).close()
    assert "0 made = 0 published + 0 waiting + 0 dropped" in shown(tmp_path)
