"""The versions of its shape that a box has: what production offers, and the one before it.

They are written down, so that the process that trains knows which one the repository offers. What
is written follows from signed files alone, and from no window.
"""

import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fl_client.functions.host import FunctionSource
from fl_client.inference.task_checks import shape_missing
from fl_common.errors import InvalidData
from fl_common.files.whole import make_folder, write_whole
from fl_common.vocabulary import ShapeSpec, Task
from models.metadata import read_metadata
from models.tasks.shaped import with_shape

FOLDER = "shapes"
"""The sub-folder of a box's folder with a file for its shape: which versions it has."""
_HELD = 2
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShapeRecord:
    """A version as it is written down: its component, its digest, and how many rows it makes."""

    component: str
    digest: str
    rows: int


@dataclass(frozen=True)
class HeldShape:
    """A version that can run: ``source``, and the box's ``task`` with it before the model."""

    record: ShapeRecord
    task: Task
    source: FunctionSource


class Shapes:
    """The versions of the shape ``name`` that the box in ``home`` has for its ``task``.

    Any thread may ask for them.
    """

    def __init__(self, name: str, task: Task, home: Path) -> None:
        self.name, self.task = name, task
        self._path = _path(home, name)
        self._held: tuple[HeldShape, ...] = ()
        self._changing = threading.Lock()
        self.changes = 0
        """How often what is held has changed."""

    @property
    def offered(self) -> HeldShape | None:
        """The version that production offers, or what was offered last; None: none came yet."""
        return next(iter(self._held), None)

    def of(self, digest: str | None) -> HeldShape | None:
        """The version with this digest; None if the box does not have it."""
        return next((one for one in self._held if one.record.digest == digest), None)

    def recorded(self) -> Sequence[ShapeRecord]:
        """The versions that are written down, the offered one first."""
        return _read(self._path)

    def hold(self, record: ShapeRecord, source: FunctionSource, *, is_offered: bool) -> None:
        """Have a version from now on, which is offered, or was before.

        Raises:
            InvalidConfiguration: it can't be written down; nothing has changed.
        """
        task = with_shape(self.task, self.name, record.digest, record.rows)
        with self._changing:
            others = [one for one in self._held if one.record.digest != record.digest]
            made = HeldShape(record, task, source)
            held = (made, *others) if is_offered else (*others, made)
            records = [vars(one.record) for one in held[:_HELD]]
            if is_offered and [vars(one) for one in self.recorded()[:_HELD]] != records:
                make_folder(self._path.parent)
                write_whole(self._path, json.dumps(records).encode())
            self._held = held[:_HELD]
            self.changes += 1

    def task_for(self, required: ShapeSpec | None) -> Task:
        """The task of a model that requires this shape.

        Raises:
            ShapeMissing: this box does not have it.
        """
        held = None if required is None else self.of(required.digest)
        if held is None:
            offered = self.offered
            raise shape_missing(required, offered.task.shape if offered else None, self.name)
        return held.task


def task_of(content: bytes, task: Task, shapes: Shapes | None) -> Task:
    """The task of the model in ``content``, on a box of ``task`` with ``shapes``.

    Raises:
        ShapeMissing: the model does not fit what windows go through there.
    """
    try:
        required = read_metadata(content).shape
    except InvalidData:
        return task  # what it lacks is said when it is checked
    if shapes is not None:
        return shapes.task_for(required)
    if required is not None:
        raise shape_missing(required, None, None)
    return task


def offered_task(name: str, task: Task, home: Path) -> Task | None:
    """The task of a box with the version of its shape that is offered; None: none came yet."""
    records = _read(_path(home, name))
    if not records:
        return None
    return with_shape(task, name, records[0].digest, records[0].rows)


def _path(home: Path, name: str) -> Path:
    return home / FOLDER / f"{name}.json"


def _read(path: Path) -> list[ShapeRecord]:
    """What is written down; a damaged file is as none, and written anew with the next version."""
    try:
        return [ShapeRecord(**one) for one in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        _logger.error("%s can't be read (%s), and is not used", path, error)
        return []
