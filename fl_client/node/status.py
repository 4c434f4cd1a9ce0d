"""A node's status: from the node itself, or from its files if it does not run."""

import json
import os
import ssl
import time
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fl_client.home import LEDGER, MODEL, RECORD, SLOTS, STORE
from fl_client.inference.slots import ModelSlot
from fl_client.node.budget import Budget, summary_of
from fl_client.sensors.transports.http.access import Access
from fl_client.store.database import reading
from fl_client.store.outbox import counts_of as event_counts_of
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.spool_counts import counts_of as spool_counts_of
from fl_common.configuration.addresses import bare_host, joined
from fl_common.errors import InvalidConfiguration, LedgerError
from fl_common.files.whole import write_whole

_SECONDS = 5.0

Status = Mapping[str, Any]
"""JSON values; see docs/reference/node.md."""


def write_record(
    home: Path, host: str, port: int, access: Mapping[str, str | None], counter: Path | None
) -> None:
    """Record how to reach the node in ``home``, and the path of its ledger's counter.

    Of ``access``, what is recorded is where its files lie and the name of its variable.
    """
    place = str(counter.absolute()) if counter else None
    files = {
        name: str(Path(value).absolute()) if value and name.endswith("_file") else value
        for name, value in access.items()
    }
    record = {"pid": os.getpid(), "host": host, "port": port, "access": files, "counter": place}
    write_whole(home / RECORD, json.dumps(record).encode())


def read_status(home: Path) -> Status:
    """The status of the node in ``home``: from the node, else from its files.

    Raises:
        InvalidConfiguration: no node ever ran there.
    """
    record: dict[str, Any] = {}
    try:
        record = json.loads((home / RECORD).read_text())
        status = _ask(record)
        if status["pid"] == record["pid"]:
            return status
    except (OSError, ValueError, KeyError, TypeError, InvalidConfiguration):
        pass
    counter = record.get("counter")
    return _from_files(home, Path(counter) if counter else None)


def _ask(record: Mapping[str, Any]) -> dict[str, Any]:
    """The node's own words; its certificate is the one in its configuration, whatever its name."""
    access = Access(**record["access"])
    secure = access.tls is not None
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(
        record["host"], bare_host("http.host", record["host"])
    )
    address = f"{'https' if secure else 'http'}://{joined(host, record['port'])}/status"
    context = ssl.create_default_context()
    if secure:
        context = ssl.create_default_context(cafile=record["access"]["certificate_file"])
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.check_hostname = False
    request = urllib.request.Request(address, headers=access.header())
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),  # it is this machine, whatever address it has
        urllib.request.HTTPSHandler(context=context),
    )
    with opener.open(request, timeout=_SECONDS) as answer:
        status: dict[str, Any] = json.load(answer)
    return status


def _from_files(home: Path, counter: Path | None) -> Status:
    store = home / STORE
    if not store.is_file():
        raise InvalidConfiguration(
            f"home={home}", "has no site's store", "Name the folder of a node: --home FOLDER"
        )
    with reading(store) as connection:
        counts, events = spool_counts_of(connection), event_counts_of(connection)
    return {
        "running": False,
        "home": str(home),
        "messages": counts_of(counts),
        "events": asdict(events),
        "model": {"digest": ModelSlot(home / SLOTS / MODEL).current()},
        "ledger": _budget(home / LEDGER, counter),
    }


def _budget(path: Path, counter: Path | None) -> Budget | None:
    if not path.is_file():
        return None
    from fl_client.ledger.ledger import (
        Ledger,  # imports accounting, which takes a second; a running node has done so already
    )
    from fl_client.ledger.table import states_of, to_json

    try:
        with closing(Ledger(path, time.time, None, counter)) as ledger:
            return summary_of(to_json(ledger, states_of(ledger, ledger.sites()))["blocks"])
    except LedgerError as error:
        return {"trouble": str(error)}


def counts_of(counts: SpoolCounts) -> dict[str, Any]:
    """The spool's counts as JSON values."""
    return {
        "received": counts.received,
        "processed": counts.processed,
        "waiting": counts.waiting,
        "waiting_bytes": counts.waiting_bytes,
        "duplicates": counts.duplicates,
        "reused_ids": counts.reused_ids,
        "lost": dict(counts.lost),
    }
