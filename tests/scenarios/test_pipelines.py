"""Shipped functions in a chain, in the process of the function host."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.functions.feed import FunctionFeed
from fl_client.functions.host import FunctionSource, HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.runner import Functions
from fl_client.functions.thread import FunctionThread
from fl_client.sensors import Readings
from fl_client.store.database import open_store
from fl_client.store.function_inbox import FunctionInbox
from fl_client.store.function_memory import FunctionMemory
from fl_common.errors import InvalidData
from fl_common.functions.events import Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import close_hosts, host_of
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner
from tests.support.sources import ROOT

GRANT = Grant(("python",), ("emit", "state", "log"), 50_000_000, 64, 8)
S = 10**9


@pytest.fixture(autouse=True)
def _hosts_are_closed() -> Iterator[None]:
    yield
    close_hosts()


class Box:
    """A store, and shipped functions that are fed from it."""

    def __init__(self, home: Path, *names: str) -> None:
        home.mkdir(exist_ok=True)
        if not (home / MACHINE_CODE).exists():
            shutil.copytree(compile_runner(), home / MACHINE_CODE)
        host = host_of(home, HostLimits(30.0, 256, GRANT.megabytes))
        self.functions = Functions({}, host, 3)
        for name in names:
            self.functions.use(name, source(name))
        self._store = open_store(home / "store.sqlite")
        thread = FunctionThread(self.functions, Troubles())
        inbox, memory = FunctionInbox(self._store, 1000), FunctionMemory(self._store)
        self.feed = FunctionFeed(thread, inbox, memory, lambda: None, lambda _: True)
        self._thread = thread

    def close(self) -> None:
        self._thread.close()
        self._store.close()

    def found(self, predictions: Sequence[Predicted] = ()) -> list[tuple[str, Any]]:
        """What functions tell until nothing waits, of those that another one may hear, too."""
        told = []
        self.feed.put(predictions)
        while self.feed.counts().waiting:
            self._thread.wait(1.0)
            for shown in self.feed.take():
                assert not shown.failed
                told += [(event.kind, event.data) for _, event in shown.found]
            self.feed.put(())
        return told


def source(name: str) -> FunctionSource:
    sandboxes = Sandboxes(GRANT, TASK, 2.0, lambda without: 0)
    return sandboxes.source(name, ROOT / "functions" / name)


def rows(number: int, share: float) -> list[Predicted]:
    names = ("PEN", "ABD", "ROW")
    return [
        Predicted(n * S, (n + 1) * S, names, (1 - share, 0.0, share))
        for n in range(number, number + 3)
    ]


def test_an_alarm_that_nobody_clears_is_escalated_once_even_over_a_restart(tmp_path: Path) -> None:
    chain = "threshold-alarm", "escalation"
    with closing(Box(tmp_path / "site", *chain)) as box:
        box.feed.tick(0)
        ((kind, _),) = box.found(rows(0, 0.9))
        assert kind == "alarm-raised"
        box.feed.tick(300 * S)
        assert box.found() == []
    close_hosts()
    with closing(Box(tmp_path / "site", *chain)) as box:
        box.feed.tick(599 * S)
        box.feed.tick(660 * S)
        ((kind, data),) = box.found()
        assert (kind, data["function"], data["seconds"]) == ("escalated", "threshold-alarm", 658)
        box.feed.tick(780 * S)
        assert box.found() == []
        ((kind, _),) = box.found(rows(800, 0.1))
        assert kind == "alarm-cleared"


def test_a_sensor_that_says_nothing_more_is_told_by_a_tick(tmp_path: Path) -> None:
    with closing(Box(tmp_path / "site", "silent-sensor")) as box:
        box.feed.tick(0)
        values = np.array([[21.5]], np.float32)
        box.feed.put_readings([(1, Readings("door", "1", np.array([5 * S]), values))])
        assert box.found() == []
        box.feed.tick(60 * S)
        assert box.found() == [("sensor-silent", {"sensor": "door", "since_ns": 5 * S})]


def test_functions_that_hear_each_other_are_refused(tmp_path: Path) -> None:
    with closing(Box(tmp_path / "site", "escalation")) as box:
        alarm = source("threshold-alarm")
        hears = replace(alarm, on=(*alarm.on, ("happening", "escalation/escalated")))
        with pytest.raises(InvalidData, match="hear each other in a circle"):
            box.functions.check_chain("threshold-alarm", hears)
        box.functions.check_chain("threshold-alarm", alarm)
