"""A candidate beside production on held-out windows: what a site may release about the two.

Each window's result is a function of that window and of two signed files, and so one window moves
the counts by its own result and no more. Both models are those that the repository offers, not
those that run: what runs depends on earlier windows (rollback, fallback). Each window gets sessions
of its own, so that nothing that a model keeps or counts, and no batch, joins it to another. A call
without an end is ended after ``CALL_SECONDS``.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.components.counts import FOLDER, REPOSITORY
from fl_client.components.record import read_or
from fl_client.components.targets import model_file
from fl_client.inference.task_checks import answer_alone, ready
from fl_client.inference.trial import Trial
from fl_common.components.reader import held_in
from fl_common.errors import InvalidData
from fl_common.files.whole import write_whole
from fl_common.vocabulary import Floats, Task, Windows
from models.kinds import TaskKind, kind_of

_log = logging.getLogger(__name__)
PAIR = "compared.json"
"""The file with the two models that the repository offers for a comparison."""
CALL_SECONDS = 2.0
"""A model's time for one window; a model that needs longer has failed on it."""


@dataclass(frozen=True)
class Pair:
    """What testing and production offer under one name, by digest."""

    candidate: str
    production: str


@dataclass(frozen=True)
class ShadowObservation:
    """One window: whether the candidate agreed with production.

    Or ``failed``: it made no prediction where production made one. Never both.
    """

    agreed: bool
    failed: bool


Compare = Callable[[Floats], Sequence[ShadowObservation]]
"""One result for each window (N, *task.window_shape), made from that window alone."""


@dataclass(frozen=True)
class Comparison:
    """``compare`` says how a candidate does beside production on each of ``windows``.

    ``windows`` reads the held-out windows, with labels or without.
    """

    windows: Callable[[], Windows]
    compare: Compare


def write_pair(path: Path, pair: Pair | None) -> None:
    """Write what is compared from now on (None: nothing), durably."""
    write_whole(path, json.dumps(asdict(pair) if pair else None).encode())


def read_pair(path: Path) -> Pair | None:
    """What ``write_pair`` has written; None where there is nothing to compare."""
    pair: Pair | None = read_or(path, _pair, None)
    return pair


def compare_on(home: Path, task: Task, candidate: str | None, trial: Trial) -> Compare | None:
    """The comparison of ``candidate`` with production; None where the site does not have both.

    ``trial`` tries both in a child process before they are loaded here.
    """
    pair = read_pair(home / FOLDER / PAIR)
    if pair is None or pair.candidate != candidate:
        return None
    folders = [held_in(home / FOLDER / REPOSITORY, d) for d in (pair.candidate, pair.production)]
    if None in folders:
        return None
    files = [_content(folder, task, trial) for folder in folders if folder]
    return partial(compare_each, files[0], files[1], task, CALL_SECONDS)


def compare_each(
    candidate: bytes | None,
    production: bytes | None,
    task: Task,
    seconds: float,
    values_N: Floats,
) -> list[ShadowObservation]:
    """Each window's result; a model that is None can't be loaded, and has no answers."""
    return [
        _observed(
            kind_of(task),
            *(_prediction(model, task, window, seconds) for model in (candidate, production)),
        )
        for window in np.split(values_N, len(values_N))
    ]


def _observed(
    kind: TaskKind, candidate: NDArray[Any] | None, production: NDArray[Any] | None
) -> ShadowObservation:
    if candidate is None or production is None:
        return ShadowObservation(agreed=False, failed=candidate is None and production is not None)
    return ShadowObservation(agreed=bool(kind.agree(candidate, production).all()), failed=False)


def _prediction(
    content: bytes | None, task: Task, window_1: Floats, seconds: float
) -> NDArray[Any] | None:
    """The model's prediction for one window; None where it has no finite answer in time."""
    if content is None:
        return None
    try:
        return answer_alone(content, task, window_1, seconds)
    except Exception as error:  # whatever a model does concerns this window alone
        _log.debug("a model has no answer to a held-out window: %s", error)
        return None


def _content(folder: Path, task: Task, trial: Trial) -> bytes | None:
    """The model file in a component's folder; None where it can't run on typical readings."""
    path = model_file(folder)
    try:
        content = path.read_bytes() if path else b""
        trial(content, task, 1)
        ready(content, task, threads=1, largest_batch=1)
    except (InvalidData, OSError) as error:
        _log.error("a model to compare can't run, and has no answers: %s", error)
        return None
    return content


def _pair(fields: Any) -> Pair | None:
    return Pair(**fields) if fields else None
