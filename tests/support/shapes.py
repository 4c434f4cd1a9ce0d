"""Shapes for tests: real ones, in their sandbox, in this process."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl_client.functions.host import Answer, CallEnded, FunctionSource
from fl_client.functions.host.sandboxed import SandboxedShape
from fl_client.shapes.held import HeldShape, ShapeRecord
from fl_common.functions.events import Event
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.vocabulary import Task
from models.tasks.shaped import with_shape

SHAPED: Mapping[str, Any] = {
    "world": "shape", "on": [{"window": "*"}], "needs": [], "emits": {},
}  # fmt: skip
"""What a function.json has that is a shape's."""


def held_shape(task: Task, digest: str, rows: int) -> HeldShape:
    """A version with this digest, which makes so many rows."""
    of = with_shape(task, "toy", digest, rows)
    return HeldShape(ShapeRecord(f"component-{digest}", digest, rows), of, FunctionSource({}))


@dataclass
class ShapeHost:
    """See ``Host``: runs ``function``, and ends where a window's first value is in ``ends``.

    A call ends so often; then it is answered.
    """

    function: SandboxedFunction
    ends: dict[float, int] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)

    def is_ready(self, source: FunctionSource) -> bool:
        """It is."""
        return True

    def check(self, source: FunctionSource) -> None:
        """It can be made."""

    def call(self, key: int, source: FunctionSource, content: str | None, event: Event) -> Answer:
        """Call it, or end."""
        first = float(event.values[0])  # type: ignore[union-attr]
        if self.ends.get(first, 0) > 0:
            self.ends[first] -= 1
            raise CallEnded("the process ended (signal 9)")
        outcome = SandboxedShape(self.function).call(event, {})
        if outcome.failure is not None:
            return Answer(None, None, [outcome.failure.text], 0.0, 0, outcome.failure.cause)
        return Answer(outcome.events, None, [], 0.0, outcome.fuel)

    def drop(self, key: int, stream: str) -> None:
        """There is nothing to drop."""

    def keep(self, keys: Collection[int]) -> None:
        """There is nothing to drop."""


def written(folder: Path, fields: str, source: str) -> Path:
    """A shape's folder with this function.json and source."""
    folder.mkdir(exist_ok=True)
    (folder / "function.json").write_text(fields)
    (folder / "function.py").write_text(source)
    return folder
