"""Metadata of a published model: its task, and how it was made.

Kept as the ONNX file's metadata properties, so that a site needs no other file. Strings are stored
as they are, everything else as JSON.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from fl_common.vocabulary import KindSpec, NetSpec, ShapeSpec, Task


@dataclass(frozen=True)
class Lineage:
    """How a model was made.

    ``version`` is that of the framework, ``round`` the last round of ``run`` that is in the model,
    and ``privacy`` the privacy spent, as JSON values: unit, epsilon (highest over sites), delta,
    accountant, and whether the noise was seeded; ``{"unit": "none"}`` without DP.
    """

    version: str
    run: str
    round: int
    net: NetSpec
    privacy: Mapping[str, Any]


_LABELS = KindSpec()


@dataclass(frozen=True)
class ModelMetadata:
    """Everything in a published model's metadata properties; each field is one property."""

    task: str
    labels: tuple[str, ...]
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float | None
    window_shape: tuple[int, ...]
    version: str
    run: str
    round: int
    net: NetSpec
    privacy: Mapping[str, Any]
    parameter_digest: str
    kind: KindSpec = _LABELS
    """Written only where it is no classification."""
    shape: ShapeSpec | None = None
    """The shape that it requires, before it; written only where it requires one."""

    @staticmethod
    def of(task: Task, lineage: Lineage, parameter_digest: str) -> "ModelMetadata":
        """The metadata of a model for ``task`` with these parameters."""
        return ModelMetadata(
            task=task.name,
            labels=task.labels,
            channels=task.channels,
            units=task.units,
            rate_hz=task.rate_hz,
            window_shape=task.window_shape,
            version=lineage.version,
            run=lineage.run,
            round=lineage.round,
            net=lineage.net,
            privacy=lineage.privacy,
            parameter_digest=parameter_digest,
            kind=task.kind,
            shape=task.shape,
        )


_PLAIN = ("task", "version", "run", "parameter_digest")
_KIND, _SHAPE = "kind", "shape"


def properties_of(metadata: ModelMetadata) -> dict[str, str]:
    """``metadata`` as a model's properties."""
    properties = {
        name: value if name in _PLAIN else json.dumps(value, sort_keys=True)
        for name, value in asdict(metadata).items()
        if name not in (_KIND, _SHAPE)
    }
    if metadata.kind != _LABELS:
        properties[_KIND] = json.dumps(metadata.kind.to_fields(), sort_keys=True)
    if metadata.shape is not None:
        properties[_SHAPE] = json.dumps(asdict(metadata.shape), sort_keys=True)
    return properties


def parse_properties(properties: Mapping[str, str]) -> ModelMetadata:
    """The metadata from a model's properties.

    Raises:
        KeyError, TypeError, ValueError: one is missing, or is not what this framework writes.
    """
    values: dict[str, Any] = {
        name: properties[name] if name in _PLAIN else json.loads(properties[name])
        for name in ModelMetadata.__dataclass_fields__
        if name not in (_KIND, _SHAPE)
    }
    if _KIND in properties:
        values[_KIND] = KindSpec.from_fields(json.loads(properties[_KIND]))
    if _SHAPE in properties:
        values[_SHAPE] = ShapeSpec(**json.loads(properties[_SHAPE]))
    for name in ("labels", "channels", "units", "window_shape"):
        values[name] = tuple(values[name])
    values["net"] = NetSpec(**values["net"])
    return ModelMetadata(**values)
