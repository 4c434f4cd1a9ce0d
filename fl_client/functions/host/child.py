"""The function host's process: makes functions, calls them, and answers. Run as a program.

Nothing that it answers is trusted: limits, order and memory are kept by the other side.
"""

import itertools
import json
import logging
import socket
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fl_client.functions.host import ERROR
from fl_client.functions.host.answers import MOST_LINES, SandboxFailed
from fl_client.functions.host.asking import AskingNode
from fl_client.functions.host.channel import Channel, ChannelError
from fl_common.errors import BadInput
from fl_common.functions import ClassFunction, Remembering
from fl_common.functions.asked import Model, Numbers
from fl_common.functions.classes import Asking
from fl_common.functions.events import from_stored
from fl_common.functions.limits import MOST_EVENTS
from fl_common.plugins.kinds import FUNCTION
from fl_common.programs.wall import shut_in

_MOST_TEXT = 500
_Object = Any


class _Lines(logging.Handler):
    """Keeps what functions log during a call, to be said by the other side."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.kept: list[tuple[int, str]] = []
        self.unsaid = 0

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.kept) < MOST_LINES:
            self.kept.append((record.levelno, record.getMessage()[:_MOST_TEXT]))
        else:
            self.unsaid += 1

    def take(self, more: int) -> dict[str, Any]:
        """What was logged since the last call, with so many lines ``more`` that are not kept."""
        taken = {"lines": self.kept, "unsaid": self.unsaid + more}
        self.kept, self.unsaid = [], 0
        return taken


class _Functions:
    """The functions of this process, by the key of their source and their stream."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._model: Model = AskingNode(channel)
        self._made: dict[tuple[int, str], _Object] = {}
        self._shared: dict[int, Any] = {}  # one in a sandbox is made once, for all its streams
        self._told: dict[int, Counter[str]] = {}  # instances of these
        self.unsaid = 0

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if "event" in request:
            return self._call(request)
        return self._restore(request) if "key" in request else self._check(request)

    def _check(self, request: Mapping[str, Any]) -> dict[str, Any]:
        try:
            _make(request)
        except BadInput as error:
            return {"refused": [error.value, error.rule, error.remedy]}
        return {}

    def _restore(self, request: Mapping[str, Any]) -> dict[str, Any]:
        failures: list[str] = []
        try:
            function = self._one_of(request)
        except BadInput as error:
            return {"failures": [str(error)], "made": False}
        self._made[request["key"], request["stream"]] = function
        if request["content"] is not None and isinstance(function, Remembering):
            try:
                function.remember(json.loads(request["content"]))
            except Exception as error:
                failures.append(_words(error))
        return {"failures": failures, "made": True}

    def _call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        failures: list[str] = []
        cause, fuel, instances = ERROR, 0, Counter[str]()
        began = time.perf_counter()
        events = content = None
        try:
            event = from_stored(request["event"])
            function = self._made[request["key"], event.stream]
            found = list(itertools.islice(function(event), MOST_EVENTS + 1))
            if len(found) > MOST_EVENTS:
                raise ValueError(f"more than {MOST_EVENTS} events of one window")
            events = [[event.kind, json.loads(_json(event.data))] for event in found]
            content = _remembered(function, failures)
        except BaseException as error:  # SystemExit, too, and whatever it defines itself
            failures.append(_words(error))
            cause = error.cause if isinstance(error, SandboxFailed) else cause
        seconds = time.perf_counter() - began
        if (shared := self._shared.get(request["key"])) is not None:  # in a sandbox
            made = self._made[request["key"], event.stream]
            fuel, self.unsaid = made.fuel, made.unsaid
            instances = shared.instances - self._told.get(request["key"], Counter())
            self._told[request["key"]] = shared.instances.copy()
        spent = {"seconds": seconds, "fuel": fuel, "cause": cause, "instances": instances}
        return {"events": events, "content": content, "failures": failures, **spent}

    def drop(self, gone: list[tuple[int, str]]) -> None:
        for key, stream in gone:
            self._made.pop((key, stream), None)

    def keep(self, keys: list[int]) -> None:
        self._made = {at: one for at, one in self._made.items() if at[0] in keys}
        self._shared = {key: one for key, one in self._shared.items() if key in keys}
        self._told = {key: one for key, one in self._told.items() if key in keys}

    def _one_of(self, request: Mapping[str, Any]) -> _Object:
        """The function of a stream. Raises InvalidConfiguration or InvalidData."""
        if "sandboxed" not in request["node"]:
            made = _make(request)
            if isinstance(made, Asking):
                made.ask_by(self._ask)
            return made
        from fl_client.functions.host.sandboxed import StreamInSandbox  # not all boxes need it

        key = request["key"]
        if key not in self._shared:
            self._shared[key] = _make(request)
        asks = request["node"]["sandboxed"]["fields"].get("asks")
        model = self._model if asks is None else AskingNode(self._channel, asks)
        return StreamInSandbox(self._shared[key], model)

    def _ask(self, network: str, windows: Numbers) -> Numbers:
        """See ``Ask``: for a class, which asks networks by name."""
        return AskingNode(self._channel, network)(windows)


def _make(request: Mapping[str, Any]) -> _Object:
    """Raises InvalidConfiguration or InvalidData."""
    node = request["node"]
    if "sandboxed" in node:
        from fl_client.functions.host.sandboxed import make_sandboxed

        return make_sandboxed(node["sandboxed"])
    if request["at"] is None:
        return ClassFunction(node["class"], node["arguments"], ()).make({node["class"]})
    from fl_common.plugins.build import build  # slow, and no component needs it

    return build(node, FUNCTION, at=request["at"])


def _remembered(function: _Object, failures: list[str]) -> str | None:
    if not isinstance(function, Remembering):
        return None
    try:
        return _json(function.remembered())
    except Exception as error:
        failures.append(_words(error))
        return None


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _words(error: BaseException) -> str:
    """What was raised, and the line of code that did."""
    if isinstance(error, SandboxFailed):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    words = " ".join(str(error).split())[:_MOST_TEXT]
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {words}{where}"


def main() -> None:
    """Answer until the other side is gone."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    settings = channel.receive()
    sys.path[:] = settings["path"]
    code = settings["machine_code"]
    own = (Path(code),) if code else ()
    missing = shut_in(Path(settings["home"]), settings["megabytes"], own=own)
    if own:  # its thread is there before anything of anybody's runs
        from fl_common.functions.sandbox.machine_code import ticker

        ticker()
    lines, functions = _Lines(), _Functions(channel)
    logging.getLogger().addHandler(lines)
    logging.getLogger().setLevel(logging.INFO)
    channel.send({"missing": missing})
    while True:
        request = channel.receive()
        if "drop" in request:
            functions.drop(request["drop"])
            continue
        if "keep" in request:
            functions.keep(request["keep"])
            continue
        functions.unsaid = 0
        answer = functions.answer(request)
        channel.send({**answer, **lines.take(functions.unsaid), "id": request["id"]})


if __name__ == "__main__":
    with suppress(ChannelError, KeyboardInterrupt):
        main()
