"""A site's process for these tests: the real link, app, ledger and store of answers, toy windows.

What it does besides is read before each answer from ``behaviour.json`` in its folder: ``delay``
(seconds), ``reply``: an update that an honest site would never let out, ``shadow``: what it counted
of any candidate (windows, agreed, failed, late), and ``runs``: the components that run on it.
"""

import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from flwr.app import ConfigRecord, Message

from fl_client.app import SiteApp
from fl_client.components.comparison import Comparison
from fl_client.components.inventory import InstalledComponent
from fl_client.federation.build import build_link
from fl_client.federation.reply_cache import ReplyCache
from fl_client.federation.responder import Responder
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training import LocalTask
from fl_common.vocabulary import Floats, LocalUpdate, Refusal
from fl_common.wire import messages as wire
from tests.support.comparisons import counted
from tests.support.samples import windows


class SmallSteps:
    """A trainer that is quick: small noise of the system's in place of training."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        self._linger([f"{task.plan.run} {task.round}" for task in cohort])
        with (self._folder / "trained.txt").open("a") as file:
            file.writelines(f"{task.plan.run} {task.round}\n" for task in cohort)
        generator = np.random.default_rng()
        return [
            LocalUpdate(
                task.site,
                task.plan.run,
                task.round,
                {
                    name: generator.normal(0, 1e-3, array.shape).astype(np.float32)
                    for name, array in task.parameters.items()
                },
                1.0,
            )
            for task in cohort
        ]

    def _linger(self, tasks: list[str]) -> None:
        """Take the time that the test wants, and tell it over what."""
        if (delay := behaviour(self._folder).get("delay", 0.0)) == 0.0:
            return
        busy = self._folder / "busy.txt"
        partial = busy.with_suffix(".partial")
        partial.write_text("\n".join(tasks))
        partial.replace(busy)
        time.sleep(delay)
        busy.unlink()


class Misbehaving:
    """An app whose answers are exchanged after everything that an honest site checks."""

    def __init__(self, answering: Responder, folder: Path) -> None:
        self._answering, self._folder = answering, folder

    def __call__(self, message: Message, without_data: bool) -> Message:
        reply = self._answering(message, without_data)
        wanted = behaviour(self._folder).get("reply")
        if wanted is None or reply.has_error() or message.metadata.message_type != "train":
            return reply
        if wanted == "garbage":
            reply.content["head"] = wire.write_name("who", 7)["head"]
            return reply
        if wanted == "empty":
            reply.content["head"] = ConfigRecord({"kind": ""})
            return reply
        answer = wire.read_answer(
            reply.content, wire.InstructionReader().read(message.content).parameters
        )
        assert isinstance(answer, LocalUpdate)
        delta = {name: _spoilt(array, wanted) for name, array in answer.delta.items()}
        if wanted == "impostor":
            return Message(wire.write_answer(replace(answer, site="anna")), reply_to=message)
        bad = LocalUpdate(answer.site, answer.run, answer.round, delta, 1.0)
        return Message(wire.write_answer(bad), reply_to=message)


def _spoilt(array: Floats, how: str) -> Floats:
    if how == "shapes":
        return np.zeros((3, *array.shape), np.float32)
    return np.full_like(array, np.nan) if how == "nan" else array * np.float32(1e3)


SHADOW_DAY = "2026-01-01"


def behaviour(folder: Path) -> dict[str, Any]:
    path = folder / "behaviour.json"
    values: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    return values


def comparison(folder: Path, candidate: str | None) -> Comparison | None:
    sums = behaviour(folder).get("shadow")
    return counted({SHADOW_DAY: sums}) if sums else None


def running(folder: Path) -> list[InstalledComponent]:
    return [InstalledComponent(digest, on_trial=True) for digest in behaviour(folder)["runs"]]


def answering(folder: Path) -> Misbehaving:
    """In the trainer's process."""
    logging.basicConfig(level=logging.INFO)
    name, data = folder.name, windows(32)
    runs = partial(running, folder) if "runs" in behaviour(folder) else None
    site = Site(
        name,
        position=-1,
        training_windows=lambda: data,
        held_out_windows=lambda: data,
        check_plan=any_plan,
        comparison=partial(comparison, folder),
        runs=runs,
        held_out_blocks=lambda: (SHADOW_DAY, *data.blocks),
    )
    ledger = Ledger(folder / "ledger.sqlite", time.time, name)
    participation = Participation(ledger, SmallSteps(folder))
    app = SiteApp(lambda config: site, lambda: participation)
    return Misbehaving(Responder(app, ReplyCache(folder / "answers", 1 << 20), {}), folder)


def main() -> None:
    folder = Path(sys.argv[1])
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", level=logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    node = json.loads((folder / "federation.json").read_text())
    build_link(node, partial(answering, folder), stop, folder).run()
    os._exit(0)


if __name__ == "__main__":
    main()
