"""The live fleet at work: players send, nodes predict, and received predictions are scored."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt

from fl_client.node.status import read_status
from fl_common.errors import InvalidData, RunFailed
from fl_common.wire.cloud_events import MqttEvent, from_mqtt
from simulate.engines.live.processes import HOST, Processes
from simulate.engines.live.recordings import Message
from simulate.engines.live.score import Score

_QOS = 1
_SETTLE_S = 60.0
_SHOW_S = 0.3
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Player:
    """One site: its node's folder, its messages without end, and its score."""

    home: Path
    messages: Callable[[int], Iterator[Message]]
    """From the stamp of the first reading, nanoseconds since 1970."""
    score: Score


class Live:
    """``players`` for ``seconds`` at ``speed``; ``show`` is called with the elapsed seconds."""

    def __init__(
        self, players: list[Player], seconds: float, speed: float, show: Callable[[float], None]
    ) -> None:
        self._players, self._seconds, self._speed = players, seconds, speed
        self._show = show
        self._stop = asyncio.Event()
        self._began = 0.0

    async def play(self, processes: Processes, port: int) -> bool:
        """Play until the time is over or a signal arrives; returns whether one did.

        Nodes and broker keep running.

        Raises:
            RunFailed: a process ended, or the broker went away.
        """
        with self._signals():
            try:
                async with aiomqtt.Client(
                    HOST, port, protocol=aiomqtt.ProtocolVersion.V5
                ) as client:
                    await client.subscribe("predictions/+", _QOS)
                    async with _beside(self._receive(client), self._look_after(processes)):
                        await self._play(port)
                        interrupted = self._stop.is_set()
                        self._stop.clear()
                        await self._settle()
            except aiomqtt.MqttError as error:
                processes.check()
                raise RunFailed(f"the connection to the broker ended: {error}") from error
        return interrupted

    async def wait_ready(self, processes: Processes) -> bool:
        """Wait until every node serves, or a signal arrives; returns whether all do."""
        with self._signals():
            for player in self._players:
                if not await processes.node_ready(player.home, self._stop.is_set):
                    return False
            return True

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._stop.set)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    async def _play(self, port: int) -> None:
        """Run all players concurrently, stamped so that the last reading is about now."""
        self._began = time.monotonic()
        begin_ns = time.time_ns() - round(self._seconds * self._speed * 1e9)
        await asyncio.gather(*(self._one(player, port, begin_ns) for player in self._players))

    async def _one(self, player: Player, port: int, begin_ns: int) -> None:
        name, score = player.score.name, player.score
        async with aiomqtt.Client(HOST, port, protocol=aiomqtt.ProtocolVersion.V5) as sensor:
            for message in player.messages(begin_ns):
                due_s = message.due_s / self._speed
                if due_s > self._seconds or await self._stopped_within(due_s):
                    return
                score.sending(message)
                topic = f"sensors/{name}/player" if message.rows else f"labels/{name}"
                await sensor.publish(topic, message.payload, _QOS)
                score.has_sent(message)

    async def _stopped_within(self, due_s: float) -> bool:
        """Wait until ``due_s`` after the start; True if a signal arrived before."""
        if (left_s := self._began + due_s - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), left_s)
        return self._stop.is_set()

    async def _receive(self, client: aiomqtt.Client) -> None:
        score_of = {f"predictions/{p.score.name}": p.score for p in self._players}
        async for message in client.messages:
            data = _data_of(message)
            if data is not None:
                score_of[str(message.topic)].receive(data)

    async def _look_after(self, processes: Processes) -> None:
        """Poll the nodes for their counts, and show progress."""
        while True:
            processes.check()
            for player in self._players:
                status = await asyncio.to_thread(read_status, player.home)
                player.score.messages = status["messages"]
            self._show(time.monotonic() - self._began if self._began else 0.0)
            await asyncio.sleep(_SHOW_S)

    async def _settle(self) -> None:
        """Let the nodes process everything that was sent; a signal now ends that at once."""
        deadline = time.monotonic() + _SETTLE_S
        while not all(player.score.settled for player in self._players):
            if self._stop.is_set() or time.monotonic() > deadline:
                return
            await asyncio.sleep(_SHOW_S)


@contextlib.asynccontextmanager
async def _beside(*loops: Any) -> AsyncIterator[None]:
    """Run ``loops`` while the body runs; an error in one ends the body and is raised."""
    body = asyncio.current_task()
    assert body is not None
    tasks = [asyncio.create_task(loop) for loop in loops]
    failed: list[asyncio.Task[Any]] = []

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is not None:
            failed.append(task)
            body.cancel()

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    except asyncio.CancelledError:
        if failed:
            body.uncancel()
            failed[0].result()
        raise
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _data_of(message: aiomqtt.Message) -> Mapping[str, Any] | None:
    """The data of a prediction's event; None if the message is not one."""
    properties, payload = message.properties, message.payload
    pairs = tuple(getattr(properties, "UserProperty", ()))
    kind = getattr(properties, "ContentType", None)
    with contextlib.suppress(InvalidData):
        data = from_mqtt(MqttEvent(kind, pairs, payload)).data
        return data if isinstance(data, dict) else None
    return None
