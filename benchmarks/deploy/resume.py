"""Time from killing a ServerApp to the next round that it starts."""

import os
import signal
import statistics
import threading
import time
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from flwr.app import Message

from benchmarks.deploy.overhead import SITES, until
from benchmarks.deploy.server import Server, serving
from fl_client.configuration import read_config
from fl_client.federation.build import build_link
from fl_client.federation.link import Link
from fl_client.federation.responder import identify
from fl_client.federation.trainer import MessageHandler
from fl_common import params
from fl_common.vocabulary import LocalUpdate
from fl_common.wire import messages as wire

_ASKED = "asked.txt"


class Asked(NamedTuple):
    """A site was asked to train: when (seconds since 1970), in which of Flower's runs and round."""

    time: float
    run: int
    round: int


def nothing_learned(folder: Path) -> MessageHandler:
    """An app whose update is zero; each request is recorded in ``folder``."""
    reader = wire.InstructionReader()

    def answer(message: Message, without_data: bool) -> Message:
        identify(message)
        asked = reader.read(message.content)
        with (folder / _ASKED).open("a") as file:
            file.write(f"{time.time()} {message.metadata.run_id} {asked.round}\n")
        delta = params.scale(asked.parameters, 0.0)
        update = LocalUpdate(folder.name, asked.plan.run, asked.round, delta, 1.0)
        return Message(wire.write_answer(update), reply_to=message)

    return answer


def measure_resume(folder: Path, times: int) -> dict[str, Any]:
    """Seconds from each of ``times`` kills to the next request that a site gets."""
    overrides = ("net=logistic", "privacy=none", f"sites={SITES}", "rounds=100000")
    often = "restart.most_s=1"  # kills come faster here than the pauses after them are forgiven
    with serving(folder / "server", *overrides, often) as server:
        stop, sites = threading.Event(), [folder / f"site-{k}" for k in range(SITES)]
        threads = [threading.Thread(target=_link(server, site, stop).run) for site in sites]
        for thread in threads:
            thread.start()
        try:
            seconds = [_killed(server, sites) for _ in range(times)]
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    return {
        "kills": times,
        "seconds": statistics.median(seconds),
        "most_s": max(seconds),
        "rounds_in_order": all(_in_order(_asked(site)) for site in sites),
    }


def _link(server: Server, folder: Path, stop: threading.Event) -> Link:
    folder.mkdir()
    given, shipped = server.enroll(folder.name), read_config(None, [])["federation"]
    return build_link({**shipped, **given}, partial(nothing_learned, folder), stop, folder)


def _killed(server: Server, sites: Sequence[Path]) -> float:
    """Kill the ServerApp once three more rounds were requested; seconds to the next request."""
    before = len(_asked(sites[0]))
    until(lambda: len(_asked(sites[0])) >= before + 3)
    runner = until(server.runner)
    began, known = time.time(), [len(_asked(site)) for site in sites]
    run = _asked(sites[0])[-1].run
    os.kill(runner, signal.SIGKILL)

    def first() -> float | None:
        new = [a for n, site in zip(known, sites, strict=True) for a in _asked(site)[n:]]
        return min((a.time for a in new if a.run != run), default=None)

    asked: float = until(first)
    until(lambda: server.runner() not in (None, runner))
    return asked - began


def _asked(site: Path) -> list[Asked]:
    path = site / _ASKED
    lines = path.read_text().splitlines() if path.is_file() else []
    found = [line.split() for line in lines]
    return [Asked(float(time_), int(run), int(round_)) for time_, run, round_ in found]


def _in_order(asked: list[Asked]) -> bool:
    """True if no round was left out, or repeated except for the interrupted one."""
    steps = [(b.round - a.round, a.run == b.run) for a, b in pairwise(asked)]
    return all(step == 1 or (step == 0 and not same_run) for step, same_run in steps)
