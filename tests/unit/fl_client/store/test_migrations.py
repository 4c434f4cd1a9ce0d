"""Stores of earlier schemas: brought to the present one whole, or not at all."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from fl_client.functions.label_change import LabelChange
from fl_client.sensors import Annotation, Readings
from fl_client.store.database import open_store, reading
from fl_client.store.function_inbox import letters_in
from fl_client.store.migrations import SCHEMA_VERSION
from fl_client.store.spool import Spool
from fl_client.store.window_reading import read_all, read_labelled
from fl_client.store.windows import WindowStore
from fl_client.windows import Slicing
from fl_common.errors import StoreError
from fl_common.functions.events import Predicted, to_stored
from models import tasks
from tests.support.fed_functions import FedFunctions
from tests.support.function_hosts import functions_of
from tests.support.stores import store_of

SLICING = Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)
TASK = tasks.wearables()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return store_of(1, tmp_path)


def layout(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Its tables and indices, as one writes them."""
    rows = connection.execute("SELECT name, sql FROM sqlite_schema WHERE sql NOT NULL")
    return {(name, " ".join(sql.replace('"', "").split())) for name, sql in rows}


def everything(connection: sqlite3.Connection) -> Iterator[tuple[str, list[tuple[object, ...]]]]:
    for table in ("spool_count", "spool_seen", "window_values"):
        yield table, connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    for table, columns in (
        ("windows", "id, cut, start_ns, label, predicted"),
        ("annotations", "id, from_ns, to_ns, label"),
        ("spool", "sequence, sensor, id, label, stamps, content"),
    ):
        yield table, connection.execute(f"SELECT {columns} FROM {table} ORDER BY 1").fetchall()


def opened(path: Path) -> sqlite3.Connection:
    """The store with all its tables, as a node opens it."""
    connection = open_store(path)
    Spool(connection, 10**9, "reject", 1000)
    WindowStore(connection, TASK, SLICING, 0.9)
    return connection


def test_a_store_of_schema_1_keeps_every_row(path: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(path)) as before:
        expected = dict(everything(before))
    with closing(opened(path)) as connection, closing(opened(tmp_path / "new.sqlite")) as new:
        assert dict(everything(connection)) == expected
        assert layout(connection) == layout(new)
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        for table in ("windows", "annotations", "spool"):
            assert connection.execute(f"SELECT DISTINCT stream FROM {table}").fetchall() == [("",)]
        rows = [item for _, item in Spool(connection, 10**9, "reject", 1000).waiting(99)]
        assert len(rows) == 6
        assert all(isinstance(row, Readings) and row.stream == "" for row in rows)


def test_training_reads_the_same_before_and_after(path: Path) -> None:
    def read() -> list[bytes]:
        kept, known = read_all(path, TASK, SLICING), read_labelled(path, TASK, SLICING)
        arrays = (kept.starts_N, kept.values_NTC, known.starts_N, known.values_NTC, known.labels_N)
        return [array.tobytes() for array in arrays] + [repr(kept.told).encode()]

    before = read()
    with reading(path) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    opened(path).close()
    assert read() == before


def test_labels_go_on_after_it(path: Path) -> None:
    with closing(opened(path)) as connection:
        store = WindowStore(connection, TASK, SLICING, 0.9)
        (first, *_, last) = [window.start_ns for window in store.unpredicted(99)]
        assert store.counts().labelled == 1
        store.annotate([Annotation("more", first - 10**10, last + 10**10, "ABD")])
        assert store.counts().labelled == 3


def test_what_stops_it_half_way_leaves_the_store_as_it_was(path: Path) -> None:
    with closing(sqlite3.connect(path)) as before:
        before.execute("CREATE TABLE annotations_2 (x)")  # where the last change makes its own
        before.commit()
        expected = layout(before), dict(everything(before))
    with pytest.raises(StoreError, match="annotations_2 already exists"):
        open_store(path)
    with closing(sqlite3.connect(path)) as after:
        assert (layout(after), dict(everything(after))) == expected
        assert after.execute("PRAGMA user_version").fetchone() == (1,)


def test_a_newer_store_is_refused_in_one_line_and_not_changed(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = path.read_bytes()
    for open_it in (open_store, lambda of: read_all(of, TASK, SLICING)):
        with pytest.raises(StoreError, match=r"schema version 99.*reads up to") as caught:
            open_it(path)
        assert "\n" not in str(caught.value)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (99,)
    assert len(path.read_bytes()) == len(content)


def test_functions_are_fed_from_a_store_of_before_there_were_any(path: Path) -> None:
    """Also a prediction that waits in it as version 0.1 wrote them, and such a letter."""
    asked = [Predicted(n * 10, n * 10 + 1, ("a", "b"), (n % 2, 1 - n % 2)) for n in range(4)]
    functions = functions_of({"change": partial(LabelChange, 1)}, 3)
    FedFunctions(path, functions).close()
    old = [json.dumps(to_stored(one)["prediction"]).encode() for one in asked]
    with closing(open_store(path)) as connection:
        connection.execute("INSERT INTO function_inbox (end_ns, predicted) VALUES (1, ?)", old[:1])
        connection.execute("INSERT INTO function_count VALUES ('put', 1), ('waiting', 1)")
        letter = "INSERT INTO function_letters (name, reason, end_ns, predicted)"
        connection.execute(f"{letter} VALUES ('change', 'why', 11, ?)", old[1:2])
        assert [one.event for one in letters_in(connection)] == asked[1:2]
    with closing(FedFunctions(path, functions)) as site:
        assert [event for event, _, _ in site.show(asked[2:])] == [asked[0], asked[3]]
        assert site.feed.counts().letters == {"change": 1}
