"""The domain's values: frozen, with the standard library and numpy only.

Axes are written after tensor names: N windows, T time, C channels, H height, W width.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Doubles",
    "Evaluation",
    "Floats",
    "Integers",
    "KindSpec",
    "LocalUpdate",
    "NamedArrays",
    "NetSpec",
    "Parameters",
    "Refusal",
    "RefusalReason",
    "RunningComponents",
    "ShadowCounts",
    "ShapeSpec",
    "Task",
    "Windows",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]
NamedArrays = Mapping[str, NDArray[Any]]

Parameters = Mapping[str, Floats]
"""Named arrays of one model, in the model's own order (``state_dict`` order)."""


@dataclass(frozen=True)
class KindSpec:
    """What kind of task it is, by the name of a file under ``models.kinds``, and its options.

    ``options`` are public constants, pairs of a name and a JSON value, sorted by name. (Hydra can't
    pass on a task whose fields have a type more exact than this one.)
    """

    name: str = "classification"
    options: tuple[Any, ...] = ()

    @staticmethod
    def of(name: str, **options: Any) -> "KindSpec":
        """The kind with ``options`` in their order."""
        return KindSpec(name, tuple(sorted(options.items())))

    def to_fields(self) -> dict[str, Any]:
        """The kind as JSON values."""
        return {"name": self.name, "options": dict(self.options)}

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> "KindSpec":
        """The kind of which ``to_fields`` made ``fields``.

        Raises:
            KeyError, TypeError: these are not the fields of a kind.
        """
        kind = KindSpec.of(str(fields["name"]), **fields["options"])
        hash(kind)  # TypeError for a list or a mapping among the options
        return kind


@dataclass(frozen=True)
class ShapeSpec:
    """The shape that windows go through before the model: a pure function of one window.

    ``digest`` is that of the function (``fl_common.functions.shape``), and its identity; ``name``
    is for people. It makes a window of the task's ``window_shape`` of one as it is cut, which has
    ``readings`` rows of ``rate_hz``.
    """

    name: str
    digest: str
    readings: int
    rate_hz: float

    def __str__(self) -> str:
        return f"{self.name} {self.digest[:12]}"


@dataclass(frozen=True)
class Task:
    """What is learnt, and the form of a window; public, the same on every site.

    ``center`` and ``scale`` (one number per channel) turn sensor units into numbers near one:
    ``(value - center) / scale``. They are declared constants of the sensor, never statistics of
    private windows, which would be an unaccounted release.
    """

    name: str
    channels: tuple[str, ...]
    units: tuple[str, ...]
    rate_hz: float | None
    """Readings per second; None where a window has no time axis (images, vectors)."""
    window_shape: tuple[int, ...]
    """Shape of one window: (T, C) series, (C, H, W) images, (C,) vectors."""
    labels: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    windows_per_reading: int
    """The most windows that one reading is part of: 1 without overlap, 2 where half overlaps."""
    kind: KindSpec = KindSpec()
    """What is learnt of a window: its label, unless another kind is declared."""
    shape: ShapeSpec | None = None
    """What windows go through after they are cut; None: they are as they are cut."""

    def to_fields(self) -> dict[str, Any]:
        """The task as JSON values; a kind that is no classification and a shape where it has."""
        fields = asdict(self)
        for name, usual in (("kind", KindSpec()), ("shape", None)):
            if getattr(self, name) == usual:
                del fields[name]
        return {**fields, "kind": self.kind.to_fields()} if "kind" in fields else fields

    @staticmethod
    def from_fields(fields: Mapping[str, Any]) -> "Task":
        """The task of which ``to_fields`` made ``fields``.

        Raises:
            KeyError, TypeError: these are not the fields of a task.
        """
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in fields.items()
        }
        if "kind" in values:
            values["kind"] = KindSpec.from_fields(values["kind"])
        if "shape" in values:
            values["shape"] = ShapeSpec(**values["shape"])
        return Task(**values)

    @property
    def as_cut(self) -> "Task":
        """The task of windows as they are cut, before they go through its shape."""
        if self.shape is None:
            return self
        rows, rate_hz = self.shape.readings, self.shape.rate_hz
        return replace(self, window_shape=(rows, self.window_shape[1]), rate_hz=rate_hz, shape=None)

    @property
    def is_of_pictures(self) -> bool:
        """Whether a window is one picture (C, H, W), of one instant."""
        return len(self.window_shape) == 3

    @property
    def channel_axis(self) -> int:
        """Axis of the channels in one window (no batch axis): 0 for images and vectors, else 1."""
        return 1 if len(self.window_shape) == 2 else 0


@dataclass(frozen=True)
class Windows:
    """Labelled windows of one site (or a test set). Private: never in a message.

    Shapes: ``values`` (N, *task.window_shape) in sensor units, ``labels`` (N,) indices of the
    task's labels, or numbers (N, ...) where its kind learns such,
    ``block_of`` (N,) index into ``blocks``, the names of the privacy blocks (a day, a recording).
    """

    values: Floats
    labels: NDArray[Any]
    block_of: Integers
    blocks: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows_N: NDArray[Any]) -> "Windows":
        """The windows in ``rows_N`` (indices or a boolean mask), blocks unchanged."""
        return Windows(self.values[rows_N], self.labels[rows_N], self.block_of[rows_N], self.blocks)


@dataclass(frozen=True)
class NetSpec:
    """A network by name, and its keyword options (JSON values).

    ``target`` is a class under ``models.nets``, or the name that an installed package offers.
    """

    target: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LocalUpdate:
    """A site's answer to a training instruction: the change it proposes.

    ``delta`` is local minus global parameters, already clipped and noised when the plan says so;
    ``weight`` is what the plan declares (1.0, or the number of windows if that is public);
    ``within_clip_norm`` the one bit that adaptive clipping needs, else None.
    """

    site: str
    run: str
    round: int
    delta: Parameters
    weight: float
    within_clip_norm: bool | None = None


class RefusalReason(StrEnum):
    """Why a site refuses; sent as this word."""

    BUDGET = "budget"
    """The next round would pass the privacy limit."""
    DATA = "data"
    """Without DP: no windows, or labels that the task does not have."""
    PLAN = "plan"
    """The plan breaks a rule of the site, or differs from the one this run began with."""
    PRIVACY = "privacy"
    """The DP mechanism could not be set up or did not run as planned."""
    TRAINING = "training"
    """Without DP: training raised an error, or diverged."""
    LEDGER = "ledger"
    """The ledger can't be read or written."""


@dataclass(frozen=True)
class Refusal:
    """A site's refusal, with its reason; a value that is sent, not an exception."""

    site: str
    run: str
    round: int
    reason: RefusalReason
    detail: str


@dataclass(frozen=True)
class Evaluation:
    """Sums over the ``total`` windows of one evaluation: of their scores, and of their losses.

    ``correct`` is that of the scores: of labels, how many windows are named right. ``details`` are
    the sums that the task's kind has besides (``models.kinds.details``), or none.
    """

    correct: float
    total: float
    loss_sum: float
    details: tuple[float, ...] = ()


@dataclass(frozen=True)
class ShadowCounts:
    """How a candidate did beside production on a site's held-out ``windows``.

    It ``agreed`` with production, or ``failed`` (made no prediction where production made one);
    never both.
    """

    windows: float
    agreed: float
    failed: float


@dataclass(frozen=True)
class RunningComponents:
    """Components, by digest, that run on ``site``; ``on_trial`` are those in their health window.

    If the site does not disclose them, ``told`` is false and both are empty.
    """

    site: str
    told: bool
    components: tuple[str, ...] = ()
    on_trial: tuple[str, ...] = ()
