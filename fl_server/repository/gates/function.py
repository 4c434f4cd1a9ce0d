"""Gates on a function's behaviour, for predictions that are the same everywhere."""

from collections.abc import Callable, Collection, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidData
from fl_common.functions import ClassFunction, events_of, fixed_predictions, read_function
from fl_common.functions.runner import pin
from fl_common.functions.specification.sandboxed import SandboxedSpec
from fl_server.repository.gates import GateFinding


def describe_function(file: Path, allowed: Collection[str]) -> dict[str, Any]:
    """What the ``function.json`` at ``file`` says of a function, for its description.

    Of an installed class these are its labels, and its events for fixed predictions. What runs in a
    sandbox is not run here: its form, labels and kinds of events, and the runner of source text.

    Raises:
        InvalidData: it is invalid, or its class is not allowed, not installed, or can't be built.
    """
    spec = read_function(file.read_bytes())
    if isinstance(spec, SandboxedSpec):
        said = {"form": spec.form, "labels": list(spec.labels), "emits": sorted(spec.schemas.kinds)}
        return {**said, "runner": pin().sha256} if spec.form == "python" else said
    return _describe_class(spec, allowed)


def _describe_class(spec: ClassFunction, allowed: Collection[str]) -> dict[str, Any]:
    function = spec.make(allowed)
    fixed = fixed_predictions(spec.labels) if spec.is_on_predictions else []
    found = events_of(function, fixed)
    return {"labels": list(spec.labels), "golden": {"happenings": found}}


def golden(description: Mapping[str, Any], file: Path, allowed: Collection[str]) -> GateFinding:
    """Fixed predictions give the events recorded when the function was published."""
    recorded = description.get("golden", {}).get("happenings")
    if recorded is None:
        return GateFinding(False, "the description has no golden events")
    found = _describe_class(_class_in(file), allowed)["golden"]["happenings"]
    same = "the same" if found == recorded else "not the same"
    return GateFinding(found == recorded, f"{same} {len(recorded)} events as were recorded")


def one_call(file: Path, allowed: Collection[str]) -> Callable[[], object]:
    """A call of the function with the next of the fixed predictions."""
    spec = _class_in(file)
    if not spec.is_on_predictions:  # what it asks has its own gate, and answers only on a box
        return lambda: spec.make(allowed)
    function, predictions = spec.make(allowed), cycle(fixed_predictions(spec.labels))
    return lambda: list(function(next(predictions)))


def _class_in(file: Path) -> ClassFunction:
    spec = read_function(file.read_bytes())
    if not isinstance(spec, ClassFunction):
        raise InvalidData(
            f"{file.name} of format 2",
            "is judged by its cases, not by fixed predictions",
            "Run the gates source, imports, cases, cost, same",
        )
    return spec
