"""Function hosts for tests: one in this process, which calls whatever makes functions."""

import itertools
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import psutil

from fl_client.functions.host import Answer, FunctionSource, HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_common.functions import Function, Remembering
from fl_common.functions.events import Event
from fl_common.programs.troubles import Troubles

_HOSTS: dict[Path, HostProcess] = {}


def host_of(home: Path, limits: HostLimits | None = None) -> HostProcess:
    """The process that runs the functions of a box's starts, one after another."""
    limits = limits or HostLimits(seconds=30.0, megabytes=256)
    return _HOSTS.setdefault(home, HostProcess(home, limits, Troubles()))


def close_hosts() -> None:
    """End these processes."""
    while _HOSTS:
        _HOSTS.popitem()[1].close()


def process_of(host: HostProcess) -> psutil.Process:
    """The host's process, which there is."""
    assert host.process_id is not None
    return psutil.Process(host.process_id)


_names = itertools.count()
_MADE: dict[str, Callable[[], Function]] = {}


def source_of(make: Callable[[], Function]) -> FunctionSource:
    """A source that ``LocalHost`` makes by ``make``; two of one class have one class name."""
    one = make()
    name = f"{type(one).__module__}.{type(one).__qualname__}"
    key = str(next(_names))
    _MADE[key] = make
    return FunctionSource({"class": name, "arguments": {"made": key}})


def functions_of(makers: Mapping[str, Callable[[], Function]], failures_allowed: int) -> Functions:
    """Functions of ``makers``, which run in this process."""
    sources = {name: source_of(make) for name, make in makers.items()}
    return Functions(sources, LocalHost(), failures_allowed)


class LocalHost:
    """See ``Host``."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, str], Any] = {}

    @property
    def starts(self) -> Mapping[str, int]:
        """None."""
        return {}

    def is_ready(self, source: FunctionSource) -> bool:
        """It is."""
        return True

    def check(self, source: FunctionSource) -> None:
        """Make one."""
        _make(source)

    def call(self, key: int, source: FunctionSource, content: str | None, event: Event) -> Answer:
        """Call one."""
        at = key, event.stream
        failures: list[str] = []
        if at not in self._made:
            self._made[at] = _make(source)
            if content is not None:
                self._recall(self._made[at], content, failures)
        function, kept = self._made[at], None
        try:
            found = list(function(event))
            for one in found:
                json.dumps(one.data, allow_nan=False)
        except (Exception, SystemExit) as error:
            return Answer(None, content, [*failures, f"{type(error).__name__}: {error}"], 0.0)
        if isinstance(function, Remembering):
            try:
                kept = json.dumps(function.remembered(), allow_nan=False)
            except ValueError as error:
                failures.append(str(error))
        return Answer(found, kept, failures, 0.0)

    def drop(self, key: int, stream: str) -> None:
        """Forget one."""
        self._made.pop((key, stream), None)

    def keep(self, keys: Collection[int]) -> None:
        """Forget the others."""
        self._made = {at: one for at, one in self._made.items() if at[0] in keys}

    @staticmethod
    def _recall(function: Any, content: str, failures: list[str]) -> None:
        try:
            function.remember(json.loads(content))
        except (LookupError, TypeError, ValueError) as error:
            failures.append(str(error))


def _make(source: FunctionSource) -> Function:
    return _MADE[source.node["arguments"]["made"]]()
