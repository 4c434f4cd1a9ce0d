"""The sensing loop: one asyncio process, and one worker thread for the disk and the model.

The messages that a transport hands over form one batch. The worker thread decodes, stores, windows
and predicts it, while the transports continue in the loop. Once it is stored, the transport
acknowledges it. Senders wait for acknowledgements, so a slow disk slows them and no message is
dropped here.
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
from fl_common.programs.troubles import Troubles

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)
_STORE = "store"
_REMEDY = "The senders keep what is not acknowledged, and it is tried again"
_IDLE_S = 0.25
"""Interval of the upkeep of models, counts and sent events while no message comes."""

_Read = Callable[[int], list[Arrival]]
"""Reads messages, given their time of arrival."""


class Node:
    """One box's sensing: transports pass messages to ``taker``, and ``run`` does the rest."""

    def __init__(
        self,
        pipeline: Pipeline,
        functions: Functions,
        upkeep: Upkeep,
        outbox: Outbox,
        announcements: Announcements,
        metrics: Metrics,
        troubles: Troubles,
    ) -> None:
        self._pipeline, self._functions, self._upkeep = pipeline, functions, upkeep
        self._outbox, self._announcements, self._metrics = outbox, announcements, metrics
        self._troubles = troubles
        self._worker = ThreadPoolExecutor(1, "worker")
        self._turn = asyncio.Lock()
        self.ready = asyncio.Event()
        """Set once the model was looked up and everything in the store is processed."""

    async def run(self) -> None:
        """Load the model, process stored messages, and do the upkeep until cancelled."""
        await self._in_worker(self._upkeep.begin)
        while True:
            await self._try_to_look_after()
            self.ready.set()
            await asyncio.sleep(_IDLE_S)

    def taker(self, intake: Intake) -> Take:
        """The function that takes a transport's messages, which ``intake`` reads."""

        async def take(batch: Sequence[Delivery]) -> Taken:
            arrivals, appended = await self._advance(lambda now_ns: intake.arrivals(batch, now_ns))
            return taken_of(arrivals, appended)

        return take

    async def close(self) -> None:
        """Record the sent events. Call it after ``run`` and the transports have ended."""
        try:
            await self._advance(_nothing)
        except StoreError as error:
            _logger.error("%s Some predictions are sent again after the next start.", error)
        self._worker.shutdown()

    async def _try_to_look_after(self) -> None:
        """Do steps without messages until no waiting row is left."""
        try:
            await self._advance(_nothing)
            while self._pipeline.behind:
                await self._advance(_nothing)
        except StoreError:  # told as a trouble, and tried again
            pass

    async def _advance(self, read: _Read) -> tuple[list[Arrival], Appended]:
        """Store what ``read`` returns, durably, and put the resulting events into the outbox.

        Raises:
            StoreError: nothing was stored; the senders still have the messages.
        """
        received_ns = time.time_ns()
        async with self._turn:
            sent = self._outbox.sent()
            try:
                arrivals, done = await self._in_worker(lambda: self._step(read, sent, received_ns))
            except StoreError as error:
                self._troubles.begin(_STORE, str(error).rstrip("."), _REMEDY)
                self._metrics.store_errors.inc()
                raise
            if done.wrote:
                self._troubles.end(_STORE)
            self._send(done, received_ns)
        return arrivals, done.appended

    def _step(
        self, read: _Read, sent: list[PredictedWindow], received_ns: int
    ) -> tuple[list[Arrival], PipelineStep]:
        """In the worker: decode, store, cut, predict, and do the upkeep."""
        arrivals = read(received_ns)
        done = self._pipeline.advance(arrivals, sent, received_ns)
        self._upkeep.after(done, received_ns)
        return arrivals, done

    def _send(self, done: PipelineStep, received_ns: int) -> None:
        """Put the events of predictions and functions into the outbox."""
        now_ns = time.time_ns()
        latency_s, when = (now_ns - received_ns) / 1e9, datetime.fromtimestamp(now_ns / 1e9, UTC)
        for answer in done.answers:
            self._outbox.put(self._announcements.prediction(answer, when, latency_s))
            for name, event in self._functions(answer.predicted):
                self._metrics.function_events.labels(name).inc()
                self._outbox.put(self._announcements.function(name, event, answer, when))
            self._metrics.latency.observe(latency_s)

    async def _in_worker(self, call: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)


def _nothing(_: int) -> list[Arrival]:
    return []
