"""``python -m simulate play``: endless playback of people's recordings to boxes elsewhere."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiomqtt
import numpy as np
from omegaconf import OmegaConf

from fl_common.configuration.addresses import bare_host
from fl_common.configuration.paths import from_home
from fl_common.configuration.rules import (
    SECTION,
    TEXT,
    Config,
    Rule,
    above,
    at_least,
    optional,
    require,
    whole,
)
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import write_whole
from fl_common.programs.logs import log_to_standard_error
from simulate.engines.live.recordings import Message, messages, recordings_of, slicing_of, step_of
from simulate.world import TestSet, World
from simulate.world.build import open_world

_QOS = 1
_BOXES = Rule(
    "must be a list of boxes' names, which have no /, + or #",
    lambda value: isinstance(value, list) and all(map(_is_name, value)),
)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Playback:
    """The playback to one ``box``, and the file that keeps its progress.

    ``messages`` are those from a stamp on, in nanoseconds since 1970, without end.
    """

    box: str
    messages: Callable[[int], Iterator[Message]]
    kept: Path

    def begin(self, now_ns: int, past_s: float) -> int:
        """The timestamp to begin at: as far back as requested, after all that was played before."""
        with contextlib.suppress(OSError, ValueError):
            return max(now_ns - round(past_s * 1e9), int(self.kept.read_text()))
        return now_ns - round(past_s * 1e9)

    def has_played(self, until_ns: int) -> None:
        """Record durably that the broker has everything up to ``until_ns``."""
        write_whole(self.kept, str(until_ns).encode())


def play(config: Mapping[str, Any]) -> None:
    """Until SIGTERM or SIGINT.

    Raises:
        JoinTheDotsError: data or a value that can't be used.
    """
    log_to_standard_error("info")
    check(config)
    world = open_world(OmegaConf.to_yaml(OmegaConf.create(dict(config["world"]))))
    step_of(world.task)
    boxes = list(config["boxes"])
    if not 0 < len(boxes) <= len(world.sites):
        raise InvalidConfiguration(
            f"boxes={boxes}", f"must be 1 to {len(world.sites)}, as many as have recordings",
            "Name as many",
        )  # fmt: skip
    kept = from_home(config["kept"])
    kept.mkdir(parents=True, exist_ok=True)
    rows = config["readings_per_message"]
    playbacks = [
        Playback(box, partial(_recorded, world, position, rows), kept / f"{box}.ns")
        for position, box in enumerate(boxes)
    ]
    asyncio.run(_until_stopped(playbacks, config))


def _recorded(world: World, position: int, rows: int, begin_ns: int) -> Iterator[Message]:
    """The training recordings of the person at ``position``, as a player's messages."""
    windows, task = world.windows(position), world.task
    person = TestSet(windows, np.zeros(len(windows), np.int64), (world.sites[position],))
    return messages(recordings_of(person, 0, task), task, slicing_of(task), rows, begin_ns)


async def _until_stopped(playbacks: Sequence[Playback], config: Mapping[str, Any]) -> None:
    playback = asyncio.gather(*(_patiently(one, config) for one in playbacks))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, playback.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await playback


async def _patiently(playback: Playback, config: Mapping[str, Any]) -> None:
    """Play without end; after the broker was away, continue from what it had last."""
    while True:
        try:
            await _one(playback, config)
        except aiomqtt.MqttError as error:
            _logger.warning("%s: no connection to the broker (%s)", playback.box, error)
            await asyncio.sleep(config["retry_s"])


async def _one(playback: Playback, config: Mapping[str, Any]) -> None:
    broker, began_s = config["broker"], time.time()
    begin_ns = playback.begin(time.time_ns(), config["past_s"])
    async with aiomqtt.Client(
        broker["host"],
        broker["port"],
        protocol=aiomqtt.ProtocolVersion.V5,
        username=broker["username"],
        password=_password(broker),
    ) as sensor:
        _logger.info("%s: playing from %.0f s ago", playback.box, began_s - begin_ns / 1e9)
        for message in playback.messages(begin_ns):
            stamp_s = message.until_ns / 1e9
            await asyncio.sleep(max(0.0, stamp_s - time.time()))
            topic = f"sensors/{playback.box}/player" if message.rows else f"labels/{playback.box}"
            await sensor.publish(topic, message.payload, _QOS)
            playback.has_played(message.until_ns)


def _password(broker: Config) -> str | None:
    variable = broker["password_variable"]
    return None if variable is None else os.environ.get(variable, "")


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value) and not {*"/+#"} & {*value}


def check(config: Mapping[str, Any]) -> None:
    """Raise InvalidConfiguration for the first value of a player that breaks a rule."""
    require("past_s", config["past_s"], at_least(0))
    require("retry_s", config["retry_s"], above(0))
    require("readings_per_message", config["readings_per_message"], whole(1))
    require("kept", config["kept"], TEXT)
    require("boxes", config["boxes"], _BOXES)
    broker = config["broker"]
    require("broker", broker, SECTION)
    require("broker.host", broker.get("host"), TEXT)
    for name in ("username", "password_variable"):
        require(f"broker.{name}", broker.get(name), optional(TEXT))
    bare_host("broker.host", broker["host"])
    require("broker.port", broker["port"], whole(1, 65535))
    has_user = broker["password_variable"] is None or bool(broker["username"])
    for rule in (
        Rule("needs broker.username", lambda _: has_user),
        Rule("must be a variable that holds a password", lambda _: _password(broker) != ""),
    ):
        require("broker.password_variable", broker["password_variable"], rule)
