"""Every network with the options of its own configuration file, and a task that it can learn."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from omegaconf import OmegaConf

from fl_common.vocabulary import Floats, NetSpec, Task
from models.kinds import declared
from models.kinds.anomaly import anomaly
from models.kinds.forecast import FORECAST, divided, forecast
from models.kinds.sequence import SEQUENCE
from models.nets import Net, build_net
from tests.support.sources import ROOT

CONF = ROOT / "conf" / "net"

MOTION = Task(
    name="motion",
    channels=("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"),
    units=("g", "g", "g", "rad/s", "rad/s", "rad/s"),
    rate_hz=50.0,
    window_shape=(32, 6),
    labels=("rest", "walk", "run"),
    center=(0.0, 0.2, -0.1, 0.0, 0.0, 0.0),
    scale=(0.9, 0.5, 0.5, 1.0, 2.5, 1.0),
    windows_per_reading=1,
)
GREY = Task(
    name="grey",
    channels=("grey",),
    units=("1",),
    rate_hz=None,
    window_shape=(1, 28, 28),
    labels=("zero", "one"),
    center=(33.3,),
    scale=(78.6,),
    windows_per_reading=1,
)
COLOUR = Task(
    name="colour",
    channels=("red", "green", "blue"),
    units=("1", "1", "1"),
    rate_hz=None,
    window_shape=(3, 20, 24),
    labels=("cat", "dog", "none"),
    center=(120.0, 118.0, 110.0),
    scale=(60.0, 61.0, 62.0),
    windows_per_reading=1,
)
VECTOR = Task(
    name="vector",
    channels=("heat", "load"),
    units=("Cel", "1"),
    rate_hz=None,
    window_shape=(2,),
    labels=("off", "on"),
    center=(20.0, 0.5),
    scale=(8.0, 0.2),
    windows_per_reading=1,
)
MACHINE = replace(MOTION, name="machine", labels=(), kind=anomaly(None))
NEXT = replace(MOTION, name="next", labels=(), kind=forecast(4))
SPANS = replace(MOTION, name="spans", kind=declared(SEQUENCE))
SCAN = replace(GREY, name="scan", labels=(), kind=anomaly(None))

EXAMPLES: tuple[tuple[str, Task], ...] = (
    ("logistic", VECTOR),
    ("logistic", MOTION),
    ("mlp", VECTOR),
    ("mlp", GREY),
    ("cnn1d", MOTION),
    ("features", MOTION),
    ("scale_free", MOTION),
    ("scale_free", VECTOR),
    ("scale_free", GREY),
    ("gru", MOTION),
    ("cnn2d", GREY),
    ("cnn2d", COLOUR),
    ("scatter", GREY),
    ("scatter", COLOUR),
    ("opacus_mnist", GREY),
    ("mobilenet", GREY),
    ("mobilenet", COLOUR),
    ("mobilenet_head", COLOUR),
    ("efficientnet_lite", COLOUR),
    ("transformer", MOTION),
    ("transformer_lora", MOTION),
    ("autoencoder", MACHINE),
    ("autoencoder", SCAN),
    ("one_class", MACHINE),
    ("autoregressive", NEXT),
    ("labeller", SPANS),
)
NAMES = [f"{name}-{task.name}" for name, task in EXAMPLES]


def spec_of(name: str, **changes: object) -> NetSpec:
    """The network of conf/net/``name``.yaml, with some options changed."""
    options = OmegaConf.to_container(OmegaConf.load(CONF / f"{name}.yaml"), resolve=True)
    assert isinstance(options, dict)
    target = options.pop("_target_")
    return NetSpec(target, {**{str(key): value for key, value in options.items()}, **changes})


def example(name: str, task: Task, seed: int = 0) -> Net:
    """That network for ``task``, as configured."""
    return build_net(spec_of(name), task, seed)


def readings(task: Task, count: int, seed: int = 0) -> Floats:
    """Windows (count, *task.window_shape) in sensor units, spread as the task declares."""
    along = [1] * len(task.window_shape)
    along[task.channel_axis] = len(task.center)
    center, scale = (np.reshape(numbers, along) for numbers in (task.center, task.scale))
    drawn = np.random.default_rng(seed).standard_normal((count, *task.window_shape))
    values: Floats = (center + scale * drawn).astype(np.float32)
    return values


def labelled(task: Task, count: int, seed: int) -> tuple[Floats, NDArray[Any]]:
    """Windows, as ``readings`` gives them, and what they are labelled with, by the task's kind."""
    chance = np.random.default_rng(seed)
    if task.kind.name == FORECAST:
        horizon = dict(task.kind.options)["horizon"]
        length, *rest = task.window_shape
        longer = replace(task, window_shape=(length + horizon, *rest))
        return divided(readings(longer, count, seed), horizon)
    each = (count, task.window_shape[0]) if task.kind.name == SEQUENCE else (count,)
    return readings(task, count, seed), chance.integers(0, max(1, len(task.labels)), each)
