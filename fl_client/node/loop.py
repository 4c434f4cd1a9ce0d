"""The sensing loop: one asyncio process, and one worker thread for the disk and the model.

The messages that a transport hands over form one batch. The worker thread decodes, stores, windows
and predicts it, while the transports continue in the loop. Once it is stored, the transport
acknowledges it. Senders wait for acknowledgements, so a slow disk slows them and no message is
dropped here.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TypeVar

from fl_client.clock.guard import Instant
from fl_client.node.metrics import Metrics
from fl_client.node.outbox import Outbox
from fl_client.node.pipeline import Pipeline, PipelineStep
from fl_client.node.pulse import Pulse
from fl_client.node.upkeep import Upkeep
from fl_client.sensors.intake import Intake, taken_of
from fl_client.sensors.transports import Delivery, Take, Taken
from fl_client.store.outbox import PublishProgress
from fl_client.store.spool_identities import Appended, Arrival
from fl_common.errors import StoreError
from fl_common.programs.troubles import Troubles

_T = TypeVar("_T")
_logger = logging.getLogger(__name__)
_STORE = "store"
_REMEDY = "The senders keep what is not acknowledged, and it is tried again"
_BEAT_S = 1.0
_IDLE_S = 0.25
"""Interval of the upkeep of models, counts and sent events while no message comes."""

_GATHER_S = 0.02
"""How long answers of functions gather for one commit."""

_Read = Callable[[int], list[Arrival]]
"""Reads messages, given their time of arrival."""


class Node:
    """One box's sensing: transports pass messages to ``taker``, and ``run`` does the rest.

    ``when_answered`` takes what is to be called, from any thread, after functions or a shape have
    answered.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        upkeep: Upkeep,
        outbox: Outbox,
        metrics: Metrics,
        troubles: Troubles,
        clocks: Callable[[], Instant],
        when_answered: Callable[[Callable[[], object]], None],
    ) -> None:
        self._pipeline, self._upkeep = pipeline, upkeep
        self._outbox, self._metrics = outbox, metrics
        self._troubles, self._clocks = troubles, clocks
        self._when_answered = when_answered
        self._worker = ThreadPoolExecutor(1, "worker")
        self._turn = asyncio.Lock()
        self._found = asyncio.Event()  # functions or a shape have answered
        self.pulse = Pulse()
        """Whether the worker and the loop move."""
        self.ready = asyncio.Event()
        """Set once the model was looked up and everything in the store is processed."""

    async def run(self) -> None:
        """Load the model, process stored messages, and do the upkeep until cancelled."""
        await self._in_worker(self._upkeep.begin)
        loop = asyncio.get_running_loop()
        self._when_answered(partial(loop.call_soon_threadsafe, self._found.set))
        while True:
            await self._try_to_look_after()
            self.ready.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._found.wait(), _IDLE_S)
                await asyncio.sleep(_GATHER_S)
            self._found.clear()

    async def beat(self) -> None:
        """Show that the loop moves, until cancelled."""
        while True:
            self.pulse.beat()
            await asyncio.sleep(_BEAT_S)

    def taker(self, intake: Intake) -> Take:
        """The function that takes a transport's messages, which ``intake`` reads."""

        async def take(batch: Sequence[Delivery]) -> Taken:
            taken: list[str | None] = []
            for part in intake.parts(batch):
                arrivals, appended = await self._advance(partial(intake.arrivals, part))
                taken += taken_of(arrivals, appended)
            return taken

        return take

    async def close(self) -> None:
        """Record what was published. Call it after ``run`` and the transports have ended."""
        try:
            await self._advance(_nothing)
        except StoreError as error:
            _logger.error("%s Some events are published again after the next start.", error)
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
        """Store what ``read`` returns, durably, with the events that follow, to be published.

        Raises:
            StoreError: nothing was stored; the senders still have the messages.
        """
        received = self._clocks()
        async with self._turn:
            progress = self._outbox.progress()
            try:
                arrivals, done, trouble = await self._in_worker(
                    lambda: self._step(read, progress, received)
                )
            except StoreError as error:
                self._failed(error)
                raise
            if trouble is not None:
                self._failed(trouble)
            elif done.wrote:
                self._troubles.end(_STORE)
            self._outbox.take(done.outgoing, done.dropped_to, progress)
            latency_s = (self._clocks().elapsed_ns - received.elapsed_ns) / 1e9
            for _ in done.answers:
                self._metrics.latency.observe(latency_s)
        return arrivals, done.appended

    def _step(
        self, read: _Read, progress: PublishProgress, received: Instant
    ) -> tuple[list[Arrival], PipelineStep, StoreError | None]:
        """In the worker: decode, store, cut, predict; then the upkeep, and its error if any.

        What is committed stays so, whatever fails behind it.
        """
        arrivals = read(received.wall_ns)
        done = self._pipeline.advance(arrivals, progress, received)
        try:
            self._upkeep.after(done, received)
        except StoreError as error:
            return arrivals, done, error
        return arrivals, done, None

    def _failed(self, error: StoreError) -> None:
        self._troubles.begin(_STORE, str(error).rstrip("."), _REMEDY)
        self._metrics.store_errors.inc()

    async def _in_worker(self, call: Callable[[], _T]) -> _T:
        work = partial(self.pulse.work, call)
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)


def _nothing(_: int) -> list[Arrival]:
    return []
