"""A node as a process: the loop and everything beside it, from the start to a signal."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from fl_client.home import LEDGER, MODEL
from fl_client.node.assembly.node import NodeAssembly
from fl_client.node.assembly.sensing import MQTT, Inlet
from fl_client.node.budget import Budget, watch_ledger
from fl_client.node.http import StatusServer
from fl_client.node.status import counts_of, write_record
from fl_client.node.training_process import supervise
from fl_client.sensors.transports.http.access import ServingAccess, StatusAccess
from fl_common.errors import InvalidConfiguration
from fl_common.functions import Predicted

_logger = logging.getLogger(__name__)
_GRACE_S = 2.0
_LOCK = "node.lock"


class NodeProcess:
    """Runs ``box`` as a process. ``serve`` ends, cleanly, at SIGTERM or SIGINT."""

    def __init__(self, box: NodeAssembly) -> None:
        self._box = box
        self._began = time.monotonic()
        self._budget: Budget | None = None
        self._rounds = 0

    async def serve(self) -> None:
        """Run until a signal.

        Raises:
            JoinTheDotsError: something can't be started.
        """
        box, stop = self._box, asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        lock = _sole(box.home)
        given = box.http["access"]
        access = StatusAccess(**given)
        server = StatusServer(
            box.http["host"],
            box.http["port"],
            access,
            box.loop.metrics.text,
            self.health,
            self.status,
        )
        try:
            write_record(box.home, box.http["host"], server.port, given, box.counter)
            async with self._inference():
                await self._until(stop, server.port)
        finally:
            server.close()
            lock.close()

    async def _until(self, stop: asyncio.Event, port: int) -> None:
        """Run the loops until ``stop`` is set or one of them fails."""
        box = self._box
        loops = [
            box.loop.node.run(),
            self._tell_ready(port),
            *(self._listen(inlet) for inlet in box.sensing.inlets.values()),
            watch_ledger(box.home / LEDGER, box.counter, self._charged),
        ]
        if box.training.command is not None:
            loops.append(supervise(box.training, self._training))
        if box.inference.updates is not None:
            box.inference.updates.start()
        tasks = [asyncio.create_task(loop) for loop in (*loops, box.loop.outbox.run())]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await _ended([*tasks, stopping])
            await box.loop.node.close()
            if box.inference.updates is not None:
                box.inference.updates.close()
            _logger.info("stopped; everything that was acknowledged is kept")

    async def _tell_ready(self, port: int) -> None:
        box = self._box
        await box.loop.node.ready.wait()
        _logger.info(
            "ready after %.2f s: site %s in %s, http port %d",
            time.time() - psutil.Process().create_time(),
            box.name,
            box.home,
            port,
        )
        await asyncio.Event().wait()  # a loop that ends would end them all

    async def _listen(self, inlet: Inlet) -> None:
        """Accept messages once the stored ones are processed."""
        await self._box.loop.node.ready.wait()
        await inlet.transport.run(inlet.intake.addresses, self._box.loop.node.taker(inlet.intake))

    @contextlib.asynccontextmanager
    async def _inference(self) -> AsyncIterator[None]:
        """The inference service, if it is configured."""
        settings = dict(self._box.serving)
        access = ServingAccess(**settings.pop("access"))
        if settings["address"] is None:
            yield
            return
        from fl_client.inference.server import InferenceServer  # 20 MB that most boxes do without

        server = InferenceServer({MODEL: self._box.inference.engine}, access, **settings)
        port = await server.start()
        _logger.info("the inference service listens on port %d", port)
        try:
            yield
        finally:
            await server.stop(_GRACE_S)

    def health(self) -> list[str]:
        """What is wrong, in a sentence; empty if nothing is."""
        box, wrong = self._box, []
        if not box.loop.node.ready.is_set():
            wrong.append("starting: messages in the store are taken in")
        if box.loop.node.trouble is not None:
            wrong.append(box.loop.node.trouble)
        states = [inlet.transport.state() for inlet in box.sensing.inlets.values()]
        wrong += [state.fault for state in states if not state.up]
        engine = box.inference.engine.status()
        if engine.digest is None:
            wrong.append("no model serves: place one with fl-client model FILE")
        return wrong

    def status(self) -> Mapping[str, Any]:
        """Everything that ``fl-client status`` shows, as JSON values."""
        box = self._box
        upkeep, outbox, updates = box.loop.upkeep, box.loop.outbox, box.inference.updates
        engine, windows = box.inference.engine.status(), upkeep.windows
        transports = {name: _state(inlet) for name, inlet in box.sensing.inlets.items()}
        return {
            "running": True,
            "pid": os.getpid(),
            "name": box.name,
            "home": str(box.home),
            "task": box.task.name,
            "up_s": time.monotonic() - self._began,
            "wrong": self.health(),
            "broker": transports.get(MQTT),
            "transports": transports,
            "readings": {"total": upkeep.readings, "per_s": upkeep.readings_per_s},
            "messages": counts_of(upkeep.spool),
            "windows": {"kept": windows.kept, "labelled": windows.labelled},
            "predictions": upkeep.predictions,
            "accuracy": {"agreeing": windows.agreeing, "judged": windows.judged},
            "latest_prediction": _latest(upkeep.latest),
            "events_waiting": len(outbox),
            "events_unpublished": outbox.unpublished,
            "model": {"digest": engine.digest, "wanted": engine.wanted, "trouble": engine.trouble},
            "components": updates.follower.status() if updates else None,
            "functions": {
                "failures": dict(box.inference.functions.failures),
                "disabled": list(box.inference.functions.disabled),
            },
            "training": {"configured": box.training.command is not None},
            "ledger": self._budget,
        }

    def _charged(self, budget: Budget) -> None:
        self._budget, metrics = budget, self._box.loop.metrics
        if "rounds" in budget:
            metrics.rounds.inc(budget["rounds"] - self._rounds)
            self._rounds = budget["rounds"]
            metrics.budget.set(budget["epsilon_left"])
            for unit, spent in {
                budget["unit"]: budget["epsilon_spent"],
                **budget["epsilon_per"],
            }.items():
                metrics.spent.labels(unit).set(spent)

    def _training(self, running: bool) -> None:
        self._box.loop.metrics.training.set(running)
        if running:
            self._box.loop.metrics.restarts.inc()


def _state(inlet: Inlet) -> dict[str, Any]:
    """A transport's state as JSON values."""
    state = inlet.transport.state()
    fault = None if state.up else state.fault
    return {"up": state.up, "fault": fault, "refused": dict(state.refused), **state.details}


def _latest(predicted: Predicted | None) -> dict[str, Any] | None:
    """The newest prediction as JSON values."""
    if predicted is None:
        return None
    return {
        "window_start_ns": predicted.start_ns,
        "label": predicted.label,
        "probability": max(predicted.probabilities),
    }


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait for them; their errors have been reported before."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _sole(home: Path) -> IO[str]:
    """A lock on ``home``, held until it is closed or this process ends.

    Raises:
        InvalidConfiguration: another process has it.
    """
    lock = (home / _LOCK).open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise InvalidConfiguration(
            f"home={home}", "is in use: another node runs there", "Stop it, or name another folder"
        ) from error
    return lock
