"""A whole node in the time of clocks that a test sets, and the watch that sends to it."""

import asyncio
import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fl_client.node.assembly.clock import build_clock
from fl_client.node.assembly.node import NodeAssembly, build_node
from fl_client.sensors.transports import Delivery
from fl_client.store.spool_counts import SpoolCounts
from tests.support.clocks import MINUTE, SECOND, Clocks
from tests.support.edge import balanced
from tests.support.edge_process import node_config

PERIOD, ROWS = 20_000_000, 16
SPAN = ROWS * PERIOD  # of a message


class Box:
    """A node in ``home``, in the time of ``clocks``; each box on the same folder is a new start."""

    def __init__(self, home: Path, clocks: Clocks, stamped: bool, *more: str) -> None:
        self.home, self.clocks, self._stamped = home, clocks, stamped
        config: Any = copy.deepcopy(dict(node_config(home, 1, *more)))
        config["retention"]["days"] = 30
        if not stamped:
            config["sensors"]["watch"]["decoder"]["time"] = "arrival"
        self.box: NodeAssembly = build_node(
            config, connected=True, clock_of=partial(build_clock, machine=clocks.machine)
        )
        self.sent: list[int] = []
        self._loop = asyncio.new_event_loop()
        self._take = self.box.loop.node.taker(self.box.sensing.inlets["mqtt"].intake)
        self._loop.run_until_complete(asyncio.to_thread(self.box.loop.upkeep.begin))
        self.box.loop.node.ready.set()

    def send(self, messages: int = 1, ahead_ns: int = 0) -> None:
        """Messages of the watch, whose own clock is ``ahead_ns`` ahead, in real time."""
        for _ in range(messages):
            self.clocks.passes(SPAN)
            first = self.clocks.true_ns - SPAN + ahead_ns
            times = np.arange(ROWS) / 50
            values = np.sin(times[:, None] * np.arange(1, 7)).astype("<f4")
            values += len(self.sent)  # else those without a stamp are repetitions
            self.sent.append(first)
            stamp = first.to_bytes(8, "little") if self._stamped else b""
            payload = stamp + values.tobytes()
            delivery = Delivery(f"sensors/{self.home.name}/watch", payload)
            taken = self._loop.run_until_complete(self._take([delivery]))
            assert taken == [None], "it is acknowledged"

    def annotate(self, ahead_ns: int) -> None:
        """A label of a second."""
        start = self.clocks.true_ns + ahead_ns
        text = json.dumps({"from": start, "to": start + SECOND, "label": "walking"})
        delivery = Delivery(f"labels/{self.home.name}", text.encode())
        assert self._loop.run_until_complete(self._take([delivery])) == [None]

    def rests(self, span_ns: int = MINUTE) -> None:
        """Time goes by without a message, and the node does its upkeep."""
        self.clocks.passes(span_ns)
        self._loop.run_until_complete(self.box.loop.node._try_to_look_after())

    def serves(self) -> bool:
        """Whether a model serves, after a minute."""
        self.rests()
        return self.box.inference.engine.serves

    @property
    def counts(self) -> SpoolCounts:
        counts = self.box.loop.pipeline.counts()[0]
        assert balanced(counts)
        return counts

    @property
    def windows(self) -> int:
        return self.box.loop.pipeline.counts()[1].kept

    @property
    def told(self) -> str:
        return " ".join(trouble.cause for trouble in self.box.troubles.current()
                        if trouble.part == "clock")  # fmt: skip

    def stops(self) -> None:
        self._loop.run_until_complete(self.box.loop.node.close())
        self._loop.close()
        self.box.inference.functions.close()


@contextmanager
def started(home: Path, clocks: Clocks, *more: str, stamped: bool = True) -> Iterator[Box]:
    """The node; unless its watch is ``stamped``, a reading is of when it arrived."""
    box = Box(home, clocks, stamped, *more)
    try:
        yield box
    finally:
        box.stops()
