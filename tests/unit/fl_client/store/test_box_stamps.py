"""Stamps of a clock that was wrong: corrected by the row, within one run of the machine."""

from contextlib import closing
from pathlib import Path

import numpy as np

from fl_client.sensors import Readings
from fl_client.store.box_stamps import BoxStamps
from fl_client.store.database import open_store
from fl_client.store.spool import Spool
from fl_client.store.spool_identities import Arrival


def reading(name: str, *stamps: int) -> Arrival:
    values = np.arange(len(stamps) * 2, dtype=np.float32).reshape(-1, 2)
    return Arrival(Readings("watch", name, np.array(stamps, np.int64), values))


def test_noted_rows_move_and_others_stay(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        spool, stamps = Spool(connection, 10**9, "reject", 100), BoxStamps(connection, "now")
        assert stamps.settle(5) is None
        spool.append([reading("a", 100, 200), reading("b", 100)])
        after = stamps.newest()
        spool.append([reading("c", 100), reading("d", 300, 400), reading("e", 100)])
        stamps.note({"b", "d"}, after, 50)
        BoxStamps(connection, "before").note({"e"}, after, 50)
    with closing(open_store(tmp_path / "site.sqlite")) as connection:
        stamps = BoxStamps(connection, "now")
        assert stamps.settle(80) == [5]
        assert stamps.settle(80) is None
        rows = [item for _, item in Spool(connection, 10**9, "reject", 100).waiting(10)]
        found = {item.id: item.times_N.tolist() for item in rows if isinstance(item, Readings)}
        moved = {"d": [330, 430]}
        assert found == {"a": [100, 200], "b": [100], "c": [100], "e": [100]} | moved
        values = [item.values_NC.tolist() for item in rows if isinstance(item, Readings)]
        assert values[3] == [[0, 1], [2, 3]]
