"""Where versions of a function run: under its name among the functions of the box."""

import logging
from collections.abc import Callable
from pathlib import Path

from fl_client.components.health import HealthCounts
from fl_client.components.record import Version
from fl_client.components.targets import FolderOf
from fl_client.functions.host import Answer, FunctionSource
from fl_client.functions.runner import Functions
from fl_common.errors import InvalidData

_logger = logging.getLogger(__name__)


class FunctionTarget:
    """The name ``name`` among the ``functions`` of a box.

    ``read`` finds the function in a component's folder (``function_in``). The last
    good version stands by for the one that runs. It takes its place between two events, so that
    none is lost.
    """

    def __init__(
        self,
        name: str,
        functions: Functions,
        folder_of: FolderOf,
        read: Callable[[Path], FunctionSource],
    ) -> None:
        self._name, self._functions, self._folder_of = name, functions, folder_of
        self._read = read
        self._bad: dict[str, str] = {}
        self._unfit = set[str]()
        self._out: dict[str, str] = {}
        self.starting = True
        """The node starts, and waits for nothing: what has to be compiled is checked by its use."""
        self._running: tuple[str, _Counting] | None = None
        self._standby: tuple[str, _Counting] | None = None

    def put(self, version: Version, standby: Version | None) -> None:
        """Build the function and run it; one that can't be built is marked bad."""
        if not self.runs(version):
            self._run(version)
        if self.runs(version):
            self._stand_by(standby)

    def runs(self, version: Version) -> bool:
        """Whether it is among the functions."""
        return self._running is not None and self._running[0] == version.file

    def failure(self, version: Version) -> str | None:
        """Why it could not be built, or that it was disabled."""
        failing = self._functions.disabled.get(self._name) if self.runs(version) else None
        why = None if failing is None else failing.why
        return self._bad.get(version.file) or self.left_out(version) or why

    def is_unfit(self, version: Version) -> bool:
        """Whether the box's owner allows or grants less than it needs."""
        return version.file in self._unfit

    def retry(self, version: Version) -> None:
        """It is built anew where it does not run."""

    def left_out(self, version: Version) -> str | None:
        """Why it is left out, and what stood by for it runs."""
        failing = self._functions.left_out(self._name) if self.runs(version) else None
        return self._out.get(version.file) if failing is None else failing.why

    def first_failure(self, version: Version) -> str | None:
        """What failed first, with the author's line."""
        return self._functions.first_failure(self._name) if self.runs(version) else None

    def mark_bad(self, version: Version, reason: str) -> None:
        """Leave it out if it runs: what stands by for it runs from now on."""
        self._out[version.file] = reason
        if not self.runs(version):
            return
        self._running, self._standby = self._standby, None
        if self._running is None or not self._functions.go_back(self._name):
            self._running = None
            self._functions.use(self._name, None)

    def has_one(self) -> bool:
        """Whether a version runs."""
        return self._running is not None

    def seen(self) -> tuple[str, HealthCounts] | None:
        """The file that runs and its counts since the last call; None if there is nothing new."""
        if self._running is None:
            return None
        file, counting = self._running
        counts = counting.drain()
        is_left_out = self._functions.left_out(self._name) is not None
        return (file, counts) if counts.windows or is_left_out else None

    def _run(self, version: Version) -> None:
        folder = self._folder_of(version.component)
        if folder is None:
            raise InvalidData(
                f"function {self._name} {version.name}",
                "is not on the disk, or was altered there",
                "It is fetched again when the repository can be reached",
            )
        self._bad.pop(version.file, None)
        self._out.pop(version.file, None)
        self._unfit.discard(version.file)
        try:
            source = self._read(folder)
        except InvalidData as error:
            self._bad[version.file] = str(error)
            self._unfit.add(version.file)
            return
        try:
            self._functions.check_chain(self._name, source)
            if not self.starting or self._functions.is_ready(source):
                self._functions.check(source)
        except InvalidData as error:
            self._bad[version.file] = str(error)
            return
        counting = _Counting()
        self._running, self._standby = (version.file, counting), None
        self._functions.use(self._name, source, counting.observe)

    def _stand_by(self, version: Version | None) -> None:
        """Let a version that was good here take over; one that may not run any more does not."""
        if version is None or (self._standby is not None and self._standby[0] == version.file):
            return
        if version.file in self._out or (folder := self._folder_of(version.component)) is None:
            return
        try:
            source = self._read(folder)
            self._functions.check_chain(self._name, source)
        except InvalidData as error:
            _logger.warning("function %s %s can take nothing over: %s",
                            self._name, version.name, error)  # fmt: skip
            return
        counting = _Counting()
        self._standby = version.file, counting
        self._functions.stand_by(self._name, source, counting.observe)


class _Counting:
    """Counts calls of a function, those that failed, and fuel."""

    def __init__(self) -> None:
        self._done = self._drained = HealthCounts()

    def observe(self, answer: Answer) -> None:
        """Count an answer."""
        self._done += HealthCounts(1, int(answer.events is None), 0.0, answer.fuel)

    def drain(self) -> HealthCounts:
        """The counts since the last call."""
        done, before = self._done, self._drained
        self._drained = done
        windows, failed = done.windows - before.windows, done.failed - before.failed
        return HealthCounts(windows, failed, 0.0, done.fuel - before.fuel)
