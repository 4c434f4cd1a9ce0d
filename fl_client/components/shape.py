"""The box's shape from the repository: taken, tried on typical readings, and held.

What a box does with a shape follows from signed files alone. Private windows decide nothing of it:
the server learns whether a box has the shape of a plan, as it refuses a plan of another. So a new
version has no health window: it is tried once, on a window of typical readings, and kept.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fl_client.components.counts import FOLDER, REPOSITORY
from fl_client.components.health import Health, HealthCounts
from fl_client.components.inventory import folder_of
from fl_client.components.record import Version
from fl_client.components.rollout import RECORD, Rollout
from fl_client.components.sandbox import Grant, Sandboxes
from fl_client.components.subscription import Subscription
from fl_client.components.targets import FolderOf, file_of_function, model_file
from fl_client.functions.host import FunctionSource, Host
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.inference.place import copy_model
from fl_client.inference.task_checks import ShapeMissing
from fl_client.shapes.calling import called
from fl_client.shapes.held import FOLDER as SHAPES
from fl_client.shapes.held import ShapeRecord, Shapes, task_of
from fl_common.components.description import Kind
from fl_common.components.reader import Reader
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions.shape import digest_of
from fl_common.vocabulary import Task
from models.tasks.shaped import rows_made, typical_window

_TRIAL_KEY = -1
_AT_ONCE = Health(windows=1, more_failures=0.0, times_slower=2.0, ends=1_000_000)


@dataclass(frozen=True)
class BoxShape:
    """The versions of the box's shape that it holds, and the host in which they run."""

    held: Shapes
    host: Host


class ShapeTarget:
    """The shape of a box; ``read`` finds it in a component's folder."""

    def __init__(
        self, shape: BoxShape, folder_of: FolderOf, read: Callable[[Path], FunctionSource]
    ) -> None:
        self._shapes, self._host = shape.held, shape.host
        self._folder_of, self._read = folder_of, read
        self._bad: dict[str, str] = {}
        self._unfit = set[str]()
        self._running: str | None = None
        self.passed: Callable[[str], None] = lambda _: None
        """Is told the file of a version that is held from now on."""

    def put(self, version: Version, standby: Version | None) -> None:
        """Hold the version, for windows from now on; one that can't be made is marked bad."""
        if self.runs(version):
            return
        folder = self._folder_of(version.component)
        if folder is None:
            raise InvalidData(
                f"the shape {self._shapes.name} {version.name}",
                "is not on the disk, or was altered there",
                "It is fetched again when the repository can be reached",
            )
        self._bad.pop(version.file, None)
        self._unfit.discard(version.file)
        try:
            source = self._read(folder)
        except InvalidData as error:
            self._bad[version.file] = str(error)
            self._unfit.add(version.file)
            return
        try:
            record = self._record(version.component, folder, source)
        except InvalidData as error:
            self._bad[version.file] = str(error)
            return
        self._hold_earlier(version.component)
        self._shapes.hold(record, source, is_offered=True)
        self._running = version.file
        self.passed(version.file)

    def _record(self, component: str, folder: Path, source: FunctionSource) -> ShapeRecord:
        """What is written down of the version, or has been; it is tried if it is new here.

        Raises:
            InvalidData: it can't be made, or makes no window of a typical one.
            HostUnavailable: it can't be tried now.
        """
        digest = digest_of(folder)
        for known in self._shapes.recorded():
            if (known.component, known.digest) == (component, digest):
                return known
        self._host.check(source)
        window = typical_window(self._shapes.task)
        answer = called(self._host, _TRIAL_KEY, source, window)
        self._host.drop(_TRIAL_KEY, window.stream)
        if answer.failures or not answer.events:
            raise InvalidData(
                f"the shape {self._shapes.name}",
                f"fails at a window of typical readings ({'; '.join(answer.failures)})",
                "Publish one for this site's task",
            )
        rows = rows_made(self._shapes.task, self._shapes.name, answer.events[0].data)
        return ShapeRecord(component, digest, rows)

    def _hold_earlier(self, component: str) -> None:
        """After a restart: hold what the model may require, the version before this one."""
        for known in self._shapes.recorded() if self._running is None else ():
            folder = self._folder_of(known.component)
            if known.component == component or folder is None:
                continue
            try:
                self._shapes.hold(known, self._read(folder), is_offered=False)
            except InvalidData:  # it is granted no more; the model that requires it waits
                continue

    def runs(self, version: Version) -> bool:
        """Whether it is the one that is held."""
        return self._running == version.file

    def failure(self, version: Version) -> str | None:
        """Why it could not be made."""
        return self._bad.get(version.file)

    def is_unfit(self, version: Version) -> bool:
        """Whether the box's owner grants less than it needs."""
        return version.file in self._unfit

    def retry(self, version: Version) -> None:
        """It is made anew where it is not held."""

    def left_out(self, version: Version) -> None:
        """No number of failures leaves it out."""

    def first_failure(self, version: Version) -> None:
        """Its failures are told where windows are dropped."""

    def mark_bad(self, version: Version, reason: str) -> None:
        """Not to be held again; the one before stays."""
        self._bad[version.file] = reason

    def has_one(self) -> bool:
        """Whether a version is held."""
        return self._running is not None


def follow_shape(
    site: str, home: Path, shape: BoxShape, reader: Reader, grant: Grant | None, seconds: float
) -> Subscription:
    """Subscribe to the box's shape, whose calls take up to ``seconds``."""
    name, task = shape.held.name, shape.held.task
    sandboxes = Sandboxes(grant, task, seconds, lambda _: 0, world="shape")
    target = ShapeTarget(shape, reader.held, partial(sandboxes.source, name))
    folder = folder_of(home, Kind.FUNCTION, name)
    rollout = Rollout(f"shape {name}", target, folder, _AT_ONCE)
    target.passed = lambda file: rollout.observe(file, HealthCounts(windows=1))
    return Subscription(site, Kind.FUNCTION, name, file_of_function, target, rollout, None)


def copy_served(site: Path, home: Path, name: str | None) -> None:
    """Let the box at ``home``, which follows nothing, have model and shape of the one at ``site``.

    It reads the components and the machine code of that one, and changes nothing there. ``name`` is
    the shape's; None: windows go through none.

    Raises:
        InvalidConfiguration: there is no model, or no shape.
    """
    copy_model(site, home)
    if name is None:
        return
    records = folder_of(site, Kind.FUNCTION, name)
    if not (records / RECORD).is_file():
        raise InvalidConfiguration(
            f"home={site}",
            f"has no version of its shape {name} yet",
            "Let fl-client run fetch it first, or set windows.shape=null",
        )
    shutil.copytree(records, folder_of(home, Kind.FUNCTION, name))
    shutil.copytree(site / SHAPES, home / SHAPES)
    for part in (Path(FOLDER) / REPOSITORY, Path(MACHINE_CODE)):
        (home / part).symlink_to((site / part).resolve())


def why_model_waits(task: Task, shapes: Shapes | None, folder: Path) -> str | None:
    """Why the model in a component's folder can't be taken yet: it requires a shape.

    Raises:
        OSError: it can't be read.
    """
    path = model_file(folder)
    try:
        task_of(path.read_bytes() if path else b"", task, shapes)
    except ShapeMissing as error:
        return str(error)
    return None
