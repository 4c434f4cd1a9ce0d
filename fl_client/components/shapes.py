"""Build what a box's windows go through before its model: the shape, and its process."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.components.sandbox import grant_of
from fl_client.components.shape import BoxShape
from fl_client.functions.host import HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.shapes.calling import Caller
from fl_client.shapes.held import Shapes, task_of
from fl_client.shapes.shaping import AsCut, Shaping, WindowMaker, lines_for
from fl_client.shapes.thread import ShapeThread
from fl_client.store.label_requests import LabelRequests
from fl_client.store.unshaped import ShapeCounts, Unshaped
from fl_client.store.windows import WindowStore
from fl_client.windows import SECOND, Slicing
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task
from models.tasks.shaped import check_can_have_shape


@dataclass(frozen=True)
class OpenedShapes:
    """The way of windows through the shapes on one connection; ``task`` is of those predicted.

    It is outdated when a model serves that requires another one, or another version is held.
    """

    maker: WindowMaker
    task: Task
    is_outdated: Callable[[str | None], bool]

    def label_taker(self) -> Callable[[], Counter[str]]:
        """What carries out the command line's requests; the labels that tell nothing, by reason."""
        windows = self.maker.windows
        requests = LabelRequests(windows.connection, self.task, windows.cut)
        return partial(_take_labels, requests, self.maker)


def _take_labels(requests: LabelRequests, maker: WindowMaker) -> Counter[str]:
    unused: Counter[str] = Counter()
    for request in requests.take():
        one = request.annotation
        if request.is_withdrawn:
            maker.withdraw(one.stream, one.id)
        else:
            unused.update(maker.annotate([one]))
    return unused


@dataclass(frozen=True)
class BoxShapes:
    """The box's shape, the process that it runs in, and the thread that calls it."""

    box: BoxShape
    host: HostProcess
    thread: ShapeThread
    troubles: Troubles

    def opened(self, serving: str | None, store: Callable[[Task], WindowStore]) -> OpenedShapes:
        """The way of windows now, where a model that requires ``serving`` serves (None: none)."""
        held = self.box.held
        changes, lines, as_cut = held.changes, lines_for(held, serving, store), store(held.task)
        unshaped = Unshaped(as_cut.connection, held.task, as_cut.cut)
        maker = Shaping(held.name, lines, as_cut, unshaped, self.thread, self.troubles)
        task = lines[0].shape.task if lines else held.task

        def is_outdated(now: str | None) -> bool:
            return (now, held.changes) != (serving, changes)

        return OpenedShapes(maker, task, is_outdated)

    def shown(self, counts: ShapeCounts | None) -> dict[str, Any]:
        """What the status of a box has of it, as JSON values."""
        offered = self.box.held.offered
        return {
            "name": self.box.held.name,
            "digest": offered.record.digest if offered else None,
            "rows": offered.record.rows if offered else None,
            "seconds": self.thread.caller.seconds,
            "fuel": self.thread.caller.fuel,
            "windows": asdict(counts or ShapeCounts()),
        }

    def close(self) -> None:
        """End the process; windows that are under way wait in the store."""
        self.host.close()
        self.thread.close()


def opened(
    shapes: BoxShapes | None,
    serving: str | None,
    task: Task,
    connection: sqlite3.Connection,
    slicing: Slicing,
    label_share: float,
) -> OpenedShapes:
    """The way of windows of ``task`` into the open store; see ``BoxShapes.opened``.

    Without ``shapes`` they are used as they are cut.
    """
    store = partial(WindowStore, connection, slicing=slicing, label_share=label_share)
    if shapes is None:
        return OpenedShapes(AsCut(store(task)), task, lambda _: False)
    return shapes.opened(serving, store)


def task_reader(shapes: BoxShapes | None, task: Task) -> Callable[[bytes], Task]:
    """What tells the task of a model by its content, on a box of ``task``; see ``task_of``."""
    return partial(task_of, task=task, shapes=shapes.box.held if shapes else None)


def build_shapes(config: Config, task: Task, troubles: Troubles) -> BoxShapes | None:
    """The shape that ``windows.shape`` names; None: windows are used as they are cut.

    Raises:
        InvalidConfiguration: there is no repository that it can come from, nothing is granted to
            it, or the task can't have one.
    """
    name, node = config["windows"]["shape"], config["components"]
    if name is None:
        return None
    check_can_have_shape(task)
    for key, words in (("source", "a repository"), ("sandbox", "a grant for sandboxes")):
        if node[key] is None:
            raise InvalidConfiguration(
                f"windows.shape={name}",
                f"needs {words}: a shape is a component, and runs in a sandbox",
                f"Set components.{key} (docs/how-to/shapes.md), or windows.shape=null",
            )
    grant = grant_of(node)
    assert grant is not None
    home, values = Path(config["home"]), config["function_host"]
    limits = HostLimits(values["seconds"], values["megabytes"], grant.megabytes_of(1))
    host = HostProcess(home, limits, troubles, part="shape host")
    assert task.rate_hz is not None
    length_ns = round(task.window_shape[0] / task.rate_hz * SECOND)
    thread = ShapeThread(Caller(host, length_ns), troubles)
    held = Shapes(name, task, home)
    return BoxShapes(BoxShape(held, host), host, thread, troubles)
