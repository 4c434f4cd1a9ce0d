"""The sensing loop: one asyncio process, and one worker thread for the disk and the model.

What a transport hands over is taken as one batch: decoded, kept, windowed and predicted in the
worker thread while the transports go on in the loop; acknowledged by its transport when it is kept.
What is not acknowledged is held back, so a slow disk slows the senders and nothing is dropped here.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TypeVar

from fl_client.functions.runner import Functions
from fl_client.node.announcements import Announcements
from fl_client.node.metrics import Metrics
from fl_client.node.outbox import Outbox
from fl_client.node.pipeline import Pipeline, PipelineStep, PredictedWindow
from fl_client.node.upkeep import Upkeep
from fl_client.sensors.intake import Intake, taken_of
from fl_client.sensors.transports import Delivery, Take, Taken
from fl_client.store.spool import Appended, Arrival
from fl_common.errors import StoreError

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)
_IDLE_S = 0.25
"""How often models, counts and what was sent are looked after while no message comes."""

_Read = Callable[[int], list[Arrival]]
"""Reads messages, given the time at which they came."""


class Node:
    """One box's sensing: transports hand messages to ``taker``, and ``run`` does the rest."""

    def __init__(
        self,
        pipeline: Pipeline,
        functions: Functions,
        upkeep: Upkeep,
        outbox: Outbox,
        announcements: Announcements,
        metrics: Metrics,
    ) -> None:
        self._pipeline, self._functions, self._upkeep = pipeline, functions, upkeep
        self._outbox, self._announcements, self._metrics = outbox, announcements, metrics
        self._worker = ThreadPoolExecutor(1, "worker")
        self._turn = asyncio.Lock()
        self.ready = asyncio.Event()
        """Set when the model was looked for and everything in the store is taken in."""
        self.trouble: str | None = None
        """Why nothing can be kept at the moment; None where all is well."""

    async def run(self) -> None:
        """Load the model, take in what the store has, and look after the rest until cancelled."""
        await self._in_worker(self._upkeep.begin)
        while True:
            await self._try_to_look_after()
            self.ready.set()
            await asyncio.sleep(_IDLE_S)

    def taker(self, intake: Intake) -> Take:
        """What the transport whose messages ``intake`` reads hands them to."""

        async def take(batch: Sequence[Delivery]) -> Taken:
            arrivals, appended = await self._advance(lambda now_ns: intake.arrivals(batch, now_ns))
            return taken_of(arrivals, appended)

        return take

    async def close(self) -> None:
        """Note what was sent. Call it when ``run`` and the transports have ended."""
        try:
            await self._advance(_nothing)
        except StoreError as error:
            _logger.error("%s Some predictions are sent again after the next start.", error)
        self._worker.shutdown()

    async def _try_to_look_after(self) -> None:
        """Steps without messages, until nothing is left that was not taken in."""
        try:
            await self._advance(_nothing)
            while self._pipeline.behind:
                await self._advance(_nothing)
        except StoreError as error:
            _logger.error("%s The senders keep what comes; this is tried again.", error)

    async def _advance(self, read: _Read) -> tuple[list[Arrival], Appended]:
        """Keep what ``read`` gives, durably, and put events of what follows into the outbox.

        Raises:
            StoreError: nothing was kept; the senders have the messages still.
        """
        received_ns = time.time_ns()
        async with self._turn:
            sent = self._outbox.sent()
            try:
                arrivals, done = await self._in_worker(lambda: self._step(read, sent, received_ns))
            except StoreError as error:
                self.trouble = str(error)
                self._metrics.store_errors.inc()
                raise
            self.trouble = None
            self._send(done, received_ns)
        return arrivals, done.appended

    def _step(
        self, read: _Read, sent: list[PredictedWindow], received_ns: int
    ) -> tuple[list[Arrival], PipelineStep]:
        """In the worker: decode, keep, cut, predict, and what is due."""
        arrivals = read(received_ns)
        done = self._pipeline.advance(arrivals, sent, received_ns)
        self._upkeep.after(done, received_ns)
        return arrivals, done

    def _send(self, done: PipelineStep, received_ns: int) -> None:
        """Events of the predictions, and of what the functions made of them."""
        now_ns = time.time_ns()
        latency_s, when = (now_ns - received_ns) / 1e9, datetime.fromtimestamp(now_ns / 1e9, UTC)
        for answer in done.answers:
            self._outbox.put(self._announcements.prediction(answer, when, latency_s))
            for name, happening in self._functions(answer.predicted):
                self._metrics.happenings.labels(name).inc()
                self._outbox.put(self._announcements.function(name, happening, answer, when))
            self._metrics.latency.observe(latency_s)

    async def _in_worker(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)


def _nothing(_: int) -> list[Arrival]:
    return []
