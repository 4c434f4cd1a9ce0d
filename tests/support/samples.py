"""Small plans, tasks and windows for tests."""

from dataclasses import replace
from typing import Any

import numpy as np

from fl_common.plan import RunPlan, TrainingPlan
from fl_common.privacy.mechanisms import AdaptiveClipping
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import NetSpec, Task, Windows

TASK = Task(
    name="toy",
    channels=("x", "y"),
    units=("g", "g"),
    rate_hz=50.0,
    window_shape=(8, 2),
    labels=("still", "moving", "falling"),
    center=(0.0, 0.0),
    scale=(1.0, 1.0),
    windows_per_reading=2,
)
TRAINING = TrainingPlan(
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.0,
    weight_decay=0.0,
    batch_size=8,
    local_epochs=1,
    proximal_mu=0.0,
    schedule="constant",
)
WINDOW_PRIVACY = WindowPrivacyPlan(
    clip_norm=1.0,
    noise_multiplier=1.0,
    sampling_rate=0.25,
    steps=4,
    expected_batch=8.0,
    delta=1e-5,
    epsilon_limit=50.0,
    accountant="rdp",
    weights="uniform",
    unit="window",
    windows_per_reading=2,
)
SITE_PRIVACY = SitePrivacyPlan(
    clip_norm=1.0,
    noise_multiplier=1.0,
    noise="server",
    participation=0.5,
    population=6,
    delta=1e-5,
    epsilon_limit=50.0,
    accountant="rdp",
    weights="uniform",
    adaptive_clipping=None,
)
ADAPTIVE = AdaptiveClipping(target_quantile=0.5, learning_rate=0.2, bit_noise=2.0)
PUBLIC = NoPrivacy(weights="examples")


def names(sites: int) -> list[str]:
    """The names of a fleet's sites."""
    return [f"site-{position}" for position in range(sites)]


def plan(
    privacy: PrivacyPlan = PUBLIC, training: dict[str, Any] | None = None, **changes: Any
) -> RunPlan:
    """A plan for the toy task with a logistic net; ``training`` and ``changes`` replace fields."""
    base = RunPlan(
        run="run",
        task=TASK,
        net=NetSpec("models.nets.logistic.Logistic"),
        training=replace(TRAINING, **(training or {})),
        privacy=privacy,
        rounds=5,
        seed=1,
    )
    return replace(base, **changes)


def windows(count: int = 32, seed: int = 0, task: Task = TASK) -> Windows:
    """Windows whose label can be learnt: its class mean is shifted. One privacy block."""
    generator = np.random.default_rng(seed)
    labels_N = generator.integers(0, len(task.labels), count)
    noise = generator.normal(size=(count, *task.window_shape))
    values = (noise + labels_N.reshape(-1, *[1] * len(task.window_shape))).astype(np.float32)
    return Windows(values, labels_N.astype(np.int64), np.zeros(count, np.int64), ("recording",))
