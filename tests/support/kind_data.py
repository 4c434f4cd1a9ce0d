"""Small data of each kind of task: windows of two channels from a few machines."""

from pathlib import Path
from typing import Any

import numpy as np

from fl_common.vocabulary import Doubles

LENGTH, CHANNELS = 16, 2

OPTIONS: dict[str, tuple[str, ...]] = {
    "classification": (),
    "regression": ("task.kind=regression", "task.range=[0,8]", "task.unit=Cel"),
    "quantile": ("task.kind=regression", "task.range=[0,8]", "task.quantile=0.8"),
    "multilabel": ("task.kind=multilabel", "world.labels=[hot,loud]"),
    "sequence": ("task.kind=sequence",),
    "forecast": ("task.kind=forecast", "task.horizon=4"),
    "anomaly": ("task.kind=anomaly",),
}
"""What declares a task of each kind; ``quantile`` is of numbers."""

KINDS = tuple(OPTIONS)


def kind_data(kind: str, folder: Path, sites: int = 4, windows: int = 48) -> tuple[str, ...]:
    """Overrides of a run on so many windows of each site, whose file lies in ``folder``.

    A window swings, slowly or fast, and begins to after some readings; the second channel is louder
    or not. What is learnt is one of these; of anomalies, one window in eight is noise alone.
    """
    generator, count = np.random.default_rng(7), sites * windows
    length = LENGTH + 4 if kind == "forecast" else LENGTH
    reading_T = np.arange(length)
    pace_N, begin_N = generator.uniform(0.3, 1.5, count), generator.integers(2, length - 2, count)
    loud_N, phase_N = generator.integers(0, 2, count), generator.uniform(0, 6, count)
    moves_NT = reading_T >= (begin_N[:, None] if kind == "sequence" else 0)
    swing_NT = np.sin(pace_N[:, None] * reading_T + phase_N[:, None]) * moves_NT
    values_NTC = np.stack([swing_NT, swing_NT * (1 + 3 * loud_N[:, None])], axis=2)
    values_NTC += generator.normal(0, 0.05, values_NTC.shape)
    fast_N = (pace_N > 0.9).astype(int)
    odd_N = np.arange(count) // sites % 8 == 0
    if kind == "anomaly":
        values_NTC[odd_N] = generator.normal(0, 1, (odd_N.sum(), length, CHANNELS))
    learnt = {
        "regression": 5 * pace_N,
        "quantile": 5 * pace_N,
        "multilabel": np.stack([fast_N, loud_N], axis=1),
        "sequence": moves_NT * (1 + fast_N[:, None]),
        "anomaly": odd_N.astype(int),
    }
    return _written(folder / f"{kind}.npz", kind, values_NTC, learnt.get(kind, fast_N), sites)


def _written(path: Path, kind: str, x: Doubles, y: np.ndarray, sites: int) -> tuple[str, ...]:
    labels = {} if kind == "forecast" else {"y": y}
    columns: Any = {"x": x.astype(np.float32), "site": np.arange(len(x)) % sites, **labels}
    np.savez(path, **columns)
    return ("task=arrays", f"data.path={path}", *OPTIONS[kind])
