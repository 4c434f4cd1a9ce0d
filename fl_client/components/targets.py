"""Where versions run: a model in its slot, a function among the functions of the box."""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

from fl_client.components.record import Version
from fl_client.components.sandbox import Sandboxes
from fl_client.functions.host import FunctionSource
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

    def put(self, version: Version, standby: Version | None) -> None:
        """Place the file and make it current; the slot itself keeps the last good one."""
        if self.runs(version):
            return
        self.place(version)
        self._slot.activate(version.file)

    def place(self, version: Version) -> None:
        """Copy its file into the slot, if it is on the disk."""
        folder = self._folder_of(version.component)
        if folder is not None and (path := model_file(folder)) is not None:
            self._slot.place(path)

    def runs(self, version: Version) -> bool:
        """Whether it is the slot's current file."""
        return self._slot.current() == version.file

    def failure(self, version: Version) -> str | None:
        """What the engine noted in the slot."""
        return self._slot.failure(version.file)

    def is_unfit(self, version: Version) -> bool:
        """A model is refused for what it is."""
        return False

    def retry(self, version: Version) -> None:
        """Take the mark from its file, where that is the current one still."""
        if self.runs(version) and self._slot.failure(version.file) is not None:
            self.place(version)
            self._slot.activate(version.file)

    def left_out(self, version: Version) -> str | None:
        """The engine goes back by itself."""
        return None

    def first_failure(self, version: Version) -> None:
        """The engine does not keep it."""

    def mark_bad(self, version: Version, reason: str) -> None:
        """Mark it bad in the slot; the engine returns to the last good file."""
        self._slot.mark_bad(version.file, reason)

    def has_one(self) -> bool:
        """Whether any file has run, including one that came from no repository."""
        return self._slot.last_good() is not None


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
    if spec.labels != labels and (spec.labels or spec.is_on_predictions):
        raise InvalidData(
            f"a function for the labels {', '.join(spec.labels)[:200]}",
            f"is not for this site's, {', '.join(labels)[:200]}",
            "Publish one for the labels of this site's task, in their order",
        )
    spec.check_allowed(allowed)
    sandboxes.check_on(spec.on)
    node = {"class": spec.class_name, "arguments": dict(spec.arguments)}
    return FunctionSource(node, on=spec.on, asks=frozenset(spec.asks))


def file_of_function(component: Component) -> str:
    """What identifies it: the file of a class, and of a function in a sandbox all files."""
    for file in component.files:
        if file.path == FUNCTION_FILE:
            return file.sha256 if len(component.files) == 1 else component.digest
    raise UpdateRefused(f"{component} has no {FUNCTION_FILE}; a site runs no other function.")
