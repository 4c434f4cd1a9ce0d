"""Where versions run: a model in its slot, a function among the functions of the box."""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

from fl_client.components.health import HealthCounts
from fl_client.components.record import Version
from fl_client.components.sandbox import Sandboxes
from fl_client.functions.host import Answer, FunctionSource
from fl_client.functions.runner import Functions
from fl_client.inference.slots import ModelSlot
from fl_common.components.description import Component
from fl_common.errors import InvalidData, UpdateRefused
from fl_common.functions import FUNCTION_FILE, ClassFunction, read_function

FolderOf = Callable[[str], Path | None]
"""The folder of a fetched component by its digest; None if it is missing or incomplete."""


def model_file(folder: Path) -> Path | None:
    """The one model file in a component's folder."""
    return next(folder.rglob("*.onnx"), None)


def content_in(folder: Path, digest: str) -> bytes:
    """The content of the file with this sha256 in a component's folder.

    Raises:
        InvalidData: there is none.
    """
    for path in folder.rglob("*"):
        if path.is_file() and hashlib.sha256(content := path.read_bytes()).hexdigest() == digest:
            return content
    raise InvalidData(
        f"{folder}", f"has no file {digest[:12]}, or it was altered", "It is fetched again"
    )


class SlotTarget:
    """A model's slot, from which an engine runs the current file."""

    def __init__(self, slot: ModelSlot, folder_of: FolderOf) -> None:
        self._slot, self._folder_of = slot, folder_of

    def put(self, version: Version) -> None:
        """Place the file and make it current."""
        if self.runs(version):
            return
        folder = self._folder_of(version.component)
        if folder is not None and (path := model_file(folder)) is not None:
            self._slot.place(path)
        self._slot.activate(version.file)

    def runs(self, version: Version) -> bool:
        """Whether it is the slot's current file."""
        return self._slot.current() == version.file

    def failure(self, version: Version) -> str | None:
        """What the engine noted in the slot."""
        return self._slot.failure(version.file)

    def mark_bad(self, version: Version, reason: str) -> None:
        """Mark it bad in the slot; the engine returns to the last good file."""
        self._slot.mark_bad(version.file, reason)

    def has_one(self) -> bool:
        """Whether any file has run, including one that came from no repository."""
        return self._slot.last_good() is not None


class FunctionTarget:
    """The name ``name`` among the ``functions`` of a box.

    ``read`` finds the function in a component's folder (``function_in``).
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
        self.starting = True
        """The node starts, and waits for nothing: what has to be compiled is checked by its use."""
        self._running: tuple[str, _Counting] | None = None

    def put(self, version: Version) -> None:
        """Build the function and run it; one that can't be built is marked bad."""
        if self.runs(version):
            return
        folder = self._folder_of(version.component)
        if folder is None:
            raise InvalidData(
                f"function {self._name} {version.name}",
                "is not on the disk, or was altered there",
                "It is fetched again when the repository can be reached",
            )
        self._bad.pop(version.file, None)
        try:
            source = self._read(folder)
            self._functions.check_chain(self._name, source)
            if not self.starting or self._functions.is_ready(source):
                self._functions.check(source)
        except InvalidData as error:
            self._bad[version.file] = str(error)
            return
        counting = _Counting()
        self._running = version.file, counting
        self._functions.use(self._name, source, counting.observe)

    def runs(self, version: Version) -> bool:
        """Whether it is among the functions."""
        return self._running is not None and self._running[0] == version.file

    def failure(self, version: Version) -> str | None:
        """Why it could not be built, or that it was disabled."""
        if (reason := self._bad.get(version.file)) is not None:
            return reason
        failing = self._functions.disabled.get(self._name) if self.runs(version) else None
        return None if failing is None else failing.why

    def mark_bad(self, version: Version, reason: str) -> None:
        """Remove it if it runs."""
        self._bad[version.file] = reason
        if self.runs(version):
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
        return (file, counts) if counts.windows else None


def function_in(
    folder: Path, name: str, allowed: Collection[str], sandboxes: Sandboxes
) -> FunctionSource:
    """The function in a component's folder, to be run as ``name``.

    Raises:
        InvalidData: its class is not allowed, it asks for more than is granted, or it is for other
            labels.
        InvalidConfiguration: the runner for Python is missing here.
    """
    try:
        content = (folder / FUNCTION_FILE).read_bytes()
    except OSError as error:
        raise InvalidData(
            f"{folder / FUNCTION_FILE}", f"can't be read ({error.strerror})", "Publish one with it"
        ) from error
    spec = read_function(content)
    if not isinstance(spec, ClassFunction):
        return sandboxes.source(name, folder)
    labels = sandboxes.task.labels
    if spec.labels != labels:
        raise InvalidData(
            f"a function for the labels {', '.join(spec.labels)[:200]}",
            f"is not for this site's, {', '.join(labels)[:200]}",
            "Publish one for the labels of this site's task, in their order",
        )
    spec.check_allowed(allowed)
    return FunctionSource({"class": spec.class_name, "arguments": dict(spec.arguments)})


def file_of_function(component: Component) -> str:
    """What identifies it: the file of a class, and of a function in a sandbox all files."""
    for file in component.files:
        if file.path == FUNCTION_FILE:
            return file.sha256 if len(component.files) == 1 else component.digest
    raise UpdateRefused(f"{component} has no {FUNCTION_FILE}; a site runs no other function.")


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
