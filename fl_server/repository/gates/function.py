"""Gates on a function's behaviour, for predictions that are the same everywhere."""

from collections.abc import Callable, Collection, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidData
from fl_common.functions import ClassFunction, events_of, fixed_predictions, read_function
from fl_server.repository.gates import GateFinding


def describe_function(file: Path, allowed: Collection[str]) -> dict[str, Any]:
    """The labels of the ``function.json`` at ``file``, and its events for fixed predictions.

    Raises:
        InvalidData: it is invalid, or its class is not allowed, not installed, or can't be built.
    """
    spec = _class_in(file)
    found = events_of(spec.make(allowed), fixed_predictions(spec.labels))
    return {"labels": list(spec.labels), "golden": {"happenings": found}}


def golden(description: Mapping[str, Any], file: Path, allowed: Collection[str]) -> GateFinding:
    """Fixed predictions give the events recorded when the function was published."""
    recorded = description.get("golden", {}).get("happenings")
    if recorded is None:
        return GateFinding(False, "the description has no golden events")
    found = describe_function(file, allowed)["golden"]["happenings"]
    same = "the same" if found == recorded else "not the same"
    return GateFinding(found == recorded, f"{same} {len(recorded)} events as were recorded")


def one_call(file: Path, allowed: Collection[str]) -> Callable[[], object]:
    """A call of the function with the next of the fixed predictions."""
    spec = _class_in(file)
    function, predictions = spec.make(allowed), cycle(fixed_predictions(spec.labels))
    return lambda: list(function(next(predictions)))


def _class_in(file: Path) -> ClassFunction:
    spec = read_function(file.read_bytes())
    if not isinstance(spec, ClassFunction):
        raise InvalidData(
            f"{file.name} of format 2",
            "is not judged by this version",
            "Publish an installed class",
        )
    return spec
