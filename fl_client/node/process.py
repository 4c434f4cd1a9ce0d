"""A node as a process: the loop and everything beside it, from the start to a signal."""

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from fl_client.home import LEDGER
from fl_client.node.assembly.node import NodeAssembly
from fl_client.node.assembly.sensing import Inlet
from fl_client.node.budget import watch_ledger
from fl_client.node.http import StatusServer
from fl_client.node.report import Report
from fl_client.node.status import write_record
from fl_client.node.telling import HealthTelling
from fl_client.node.training_process import supervise
from fl_client.sensors.transports.http.access import ServingAccess, StatusAccess
from fl_common.errors import InvalidConfiguration

_logger = logging.getLogger(__name__)
_GRACE_S = 2.0
_LOCK = "node.lock"
_LONGEST_STOP_S = 30.0
_SAY_AGAIN_S = 1.0


class NodeProcess:
    """Runs ``box`` as a process. ``serve`` ends, cleanly, at SIGTERM or SIGINT."""

    def __init__(self, box: NodeAssembly) -> None:
        self._box = box
        self._report = Report(box)
        self._telling = HealthTelling(box.name, box.federation, self._report.is_well)

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
        access = StatusAccess.of(given)
        server = StatusServer(
            box.http["host"],
            box.http["port"],
            access,
            box.loop.metrics.text,
            self._report.health,
            self._report.status,
        )
        try:
            write_record(box.home, box.http["host"], server.port, given, box.counter)
            async with self._inference():
                await self._until(stop, server.port)
        finally:
            self._report.watchdog.close()
            server.close()
            lock.close()

    async def _until(self, stop: asyncio.Event, port: int) -> None:
        """Run the loops until ``stop`` is set or one of them fails."""
        box = self._box
        loops = [
            box.loop.node.run(),
            box.loop.node.beat(),
            self._tell_ready(port),
            *(self._listen(inlet) for inlet in box.sensing.inlets.values()),
            watch_ledger(box.home / LEDGER, box.counter, self._report.charged),
        ]
        if self._report.presence is not None:
            loops.append(self._report.presence.run(self._report.health))
        if box.training.command is not None:
            loops.append(supervise(box.training, self._training, box.troubles))
        if box.inference.updates is not None:
            box.inference.updates.start()
        self._telling.start()
        tasks = [asyncio.create_task(loop) for loop in (*loops, box.loop.events.outbox.run())]
        stopping = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            giving_up = self._give_up_later()
            if self._report.presence is not None:
                await self._report.presence.end()
            await _ended([*tasks, stopping])
            self._telling.close()
            box.inference.close()
            await box.loop.node.close()
            if box.inference.updates is not None:
                box.inference.updates.close()
            giving_up.cancel()
            _logger.info("stopped; everything that was acknowledged is kept")

    def _give_up_later(self) -> threading.Timer:
        """End the process without its worker, if that does not come to the end of its step."""
        seconds = min(self._box.stuck_s, _LONGEST_STOP_S)

        def give_up() -> None:
            where = dict(self._box.loop.node.pulse.stuck(0)).get("worker", "an unknown place")
            _logger.error(
                "did not stop within %g s, and ends as by kill -9: the worker is at %s. Everything"
                " that was acknowledged is kept; mend or take out what it names", seconds, where
            )  # fmt: skip
            os._exit(1)

        timer = threading.Timer(seconds, give_up)
        timer.daemon = True
        timer.start()
        return timer

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
        self._report.watchdog.start()
        await asyncio.Event().wait()  # a loop that ends would end them all

    async def _listen(self, inlet: Inlet) -> None:
        """Accept messages once the stored ones are processed."""
        await self._box.loop.node.ready.wait()
        await inlet.transport.run(inlet.intake.addresses, self._box.loop.node.taker(inlet.intake))

    @contextlib.asynccontextmanager
    async def _inference(self) -> AsyncIterator[None]:
        """The inference service, if it is configured."""
        settings = dict(self._box.serving)
        access = ServingAccess.of(settings.pop("access"))
        if settings["address"] is None:
            yield
            return
        from fl_client.inference.server import InferenceServer  # 20 MB that most boxes do without

        server = InferenceServer(self._box.inference.asked.served, access, **settings)
        port = await server.start()
        _logger.info("the inference service listens on port %d", port)
        try:
            yield
        finally:
            await server.stop(_GRACE_S)

    def _training(self, running: bool) -> None:
        self._box.loop.metrics.training.set(running)
        if running:
            self._box.loop.metrics.restarts.inc()


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel ``tasks`` and wait for them; their errors have been reported before.

    A cancellation may be lost: ``asyncio.wait_for`` of Python 3.11, which aiomqtt calls, forgets
    one that comes at the same moment as what it waits for. So it is said again.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_SAY_AGAIN_S)
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
