"""``net=auto``: a network by the shape of a window.

The choice is made before a run, from the public form of the task and of the privacy plan alone: no
reading and no count of a site decides. The plan, and all that is recorded, has the network chosen.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fl_common.vocabulary import Task
from models.kinds import FORECAST, SEQUENCE, learns_scores
from models.parts.scale_free import SHORTEST
from models.parts.scattering import LARGEST, SMALLEST

AUTO = "models.nets.choice.choose"
"""The target by which a configuration asks for a choice."""


_SQUARE = 16
"""As many readings as channels, at least this many, and no rate: a grey image."""


@dataclass(frozen=True)
class Choice:
    """The network of conf/net/``name``.yaml with ``options`` changed, and what to try ``next``."""

    name: str
    why: str
    next: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"net=auto chose net={self.name}: {self.why}. To try next: {self.next}"


def choose(task: Task, *, private: bool, scaled: bool = False) -> Choice:
    """The network for windows of ``task``; ``private``: it is trained with DP.

    ``scaled``: a survey will find a scale where ``task`` declares none.
    """
    shape = task.window_shape
    if (chosen := _by_kind(task, private)) is not None:
        return chosen
    if len(shape) == 3:
        return _for_images(shape, private)
    if len(shape) == 2 and _SQUARE <= shape[0] == shape[1] <= LARGEST and task.rate_hz is None:
        return _for_images((1, *shape), private)
    if len(shape) == 2 and shape[0] >= SHORTEST:
        return Choice(
            "scale_free",
            f"windows of {shape[0]} readings of {_counted(shape[1])} are described by features that"
            " need no scale",
            "net=logistic"
            if private
            else "net.hidden=[64] with net=scale_free; net=cnn1d with"
            " world.center and world.scale of the sensor",
        )
    return Choice(
        "scale_free",
        f"{_values(shape)}, whose scales may differ, are taken as angles of their logarithms",
        ("net=logistic" if private else "net=logistic or net=mlp")
        if scaled or any(task.center) or set(task.scale) != {1.0}
        else "world.scale=private, or world.scale=public with world.range from the data sheet",
    )


def _by_kind(task: Task, private: bool) -> Choice | None:
    """The network of kinds that have one of their own, whatever the shape."""
    if task.kind.name == FORECAST:
        return Choice(
            "autoregressive",
            "the next readings are a weighted sum of those before, in units of their own spread",
            "net=mlp or net=cnn1d with world.center and world.scale of the sensor",
        )
    if learns_scores(task):
        return Choice(
            "autoencoder",
            "no label is learnt, and what can't be said again of a window is odd in it",
            "net=one_class" if private else "more rounds; net.hidden=[128] with net=autoencoder",
            {"hidden": [8], "gain": 0.5} if private else {},
        )
    if task.kind.name == SEQUENCE:
        return Choice(
            "labeller",
            "each reading is told by level and spread around it, which need no scale",
            "net.hidden=[32] with net=labeller",
        )
    return None


def _for_images(shape: tuple[int, ...], private: bool) -> Choice:
    pixels = f"images of {shape[1]} x {shape[2]} pixels"
    if min(shape[1:]) < SMALLEST:
        return Choice("scale_free", f"{pixels} are too small for wavelets", "net=logistic")
    if max(shape[1:]) > LARGEST:
        return Choice(
            "cnn2d",
            f"{pixels} are too large for a scattering transform, and each is brought to one scale",
            "net=mobilenet net.stem_stride=2",
            {"per_window": True},
        )
    return Choice(
        "scatter",
        f"{pixels} are described by fixed wavelets, so that little is left to learn",
        "net.angles=8 with net=scatter" if private else "net=cnn2d",
    )


def _values(shape: tuple[int, ...]) -> str:
    """A vector's values, or those of a window that is too short to have a course."""
    if len(shape) == 1:
        return f"vectors of {shape[0]} values" if shape[0] > 1 else "single values"
    readings = "a single reading" if shape[0] == 1 else f"only {shape[0]} readings"
    return f"the values of windows of {readings} of {_counted(shape[1])}"


def _counted(channels: int) -> str:
    return "one channel" if channels == 1 else f"{channels} channels"
