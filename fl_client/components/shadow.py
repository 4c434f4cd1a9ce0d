"""A candidate model beside production: it gets the live windows, and its predictions are not used.

It runs in a thread of its own, so that it delays no prediction; windows that it is too slow for are
skipped and counted. The counts stay on the site (``ShadowSummary``): a window can delay others, or
change what production is. What may leave is made anew, window by window (``comparison``).
"""

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_client.components.comparison import CALL_SECONDS
from fl_client.components.counts import (
    COUNTS,
    LiveObservation,
    ShadowSummary,
    read_counts,
    write_counts,
)
from fl_client.components.record import Version
from fl_client.components.targets import content_in
from fl_client.inference.onnx_model import OnnxModel
from fl_client.inference.prediction import Prediction
from fl_client.inference.task_checks import answers, ready
from fl_client.inference.trial import Trial
from fl_common.errors import InvalidData
from fl_common.vocabulary import Floats, Task
from models.kinds import kind_of

_log = logging.getLogger(__name__)
_MOST_WAITING = 4


class Shadow:
    """Runs a candidate on windows of ``task``; ``folder`` holds the counts.

    ``threads`` and ``largest_batch`` are as for an engine. A call is late when the candidate takes
    more than ``times_slower`` times as long as production. ``trial`` comes before it is loaded.
    """

    def __init__(
        self,
        task: Task,
        threads: int,
        largest_batch: int,
        folder: Path,
        times_slower: float,
        trial: Trial,
    ) -> None:
        self._task, self._threads, self._largest_batch = task, threads, largest_batch
        self._path, self._trial = folder / COUNTS, trial
        self._times_slower = times_slower
        self._counts = read_counts(self._path)
        self._model: OnnxModel | None = None
        self._trouble: str | None = None
        self._worker = ThreadPoolExecutor(1, "shadow")
        self._waiting = threading.Semaphore(_MOST_WAITING)
        self._changing = threading.Lock()
        self.candidate: Version | None = None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Run the model in this version's folder from now on (None: no model); save the counts.

        Raises:
            OSError: the counts can't be written.
        """
        version, folder = candidate or (None, None)
        if version != self.candidate:
            model, trouble = self._loaded(version, folder)
            with self._changing:
                self.candidate, self._model, self._trouble = version, model, trouble
        with self._changing:
            if version is not None and self._counts.candidate != version.component:
                self._counts = ShadowSummary(version.component)
            counts = self._counts
        write_counts(self._path, counts)

    def see(self, values_N: Floats, production: Prediction) -> None:
        """Give the candidate windows that production has predicted; returns at once."""
        if self.candidate is None:
            return
        if not self._waiting.acquire(blocking=False):
            with self._changing:
                self._counts = self._counts.with_skipped(len(values_N))
            return
        self._worker.submit(self._compare, values_N, production)

    def status(self) -> dict[str, Any]:
        """The counts, for the site's own operators."""
        with self._changing:
            return {**self._counts.shown(), "trouble": self._trouble}

    def wait(self) -> None:
        """Wait until the windows given so far are counted."""
        self._worker.submit(lambda: None).result()

    def close(self) -> None:
        """Wait until the windows given so far are counted, and save the counts."""
        self._worker.shutdown()
        write_counts(self._path, self._counts)

    def _loaded(
        self, version: Version | None, folder: Path | None
    ) -> tuple[OnnxModel | None, str | None]:
        """The version's model in a component's folder; None where it can't run."""
        if version is None or folder is None:
            return None, None
        try:
            content = content_in(folder, version.file)
            self._trial(content, self._task, self._largest_batch)
            return ready(content, self._task, self._threads, self._largest_batch), None
        except (InvalidData, OSError) as error:
            _log.error("the candidate can't run: %s", error)
            return None, str(error)

    def _compare(self, values_N: Floats, production: Prediction) -> None:
        try:
            seen = self._seen(values_N, production)
            with self._changing:
                counts = self._counts.beside(production.digest)
                for one in seen:
                    counts = counts.plus(one)
                self._counts = counts
        except Exception:  # a candidate may do anything, and must stop nothing
            _log.exception("the shadow of production failed")
        finally:
            self._waiting.release()

    def _seen(self, values_N: Floats, production: Prediction) -> list[LiveObservation]:
        """What the candidate did with each window that production has predicted."""
        count, began = len(values_N), time.perf_counter()
        answers_ND = self._answers(values_N)
        seconds = time.perf_counter() - began
        answered_N = np.isfinite(answers_ND).all(axis=1)
        failed_N = production.answered_N & ~answered_N
        same_N = self._same(answers_ND, production)
        late = seconds > self._times_slower * production.seconds
        return [
            LiveObservation(
                agreed=bool(same_N[row] and not failed_N[row]),
                failed=bool(failed_N[row]),
                late=late and row == 0,
                seconds=seconds / count,
                production_seconds=production.seconds / count,
            )
            for row in range(count)
        ]

    def _answers(self, values_N: Floats) -> Floats:
        """Answers (N, D); NaN where the candidate made no prediction."""
        with self._changing:
            model, candidate = self._model, self.candidate
        if model is None or candidate is None:
            return np.full((len(values_N), kind_of(self._task).outputs), np.nan, np.float32)
        batch, seconds = self._largest_batch, CALL_SECONDS
        return answers(model, candidate.file, self._task, values_N, batch, seconds)

    def _same(self, answers_ND: Floats, production: Prediction) -> NDArray[np.bool_]:
        """Whether both predictions count as the same; two windows without one do."""
        kind, both = kind_of(self._task), (answers_ND, production.answers_ND)
        answered_N, theirs_N = (np.isfinite(each).all(axis=1) for each in both)
        agree_N = kind.agree(*(kind.chosen(np.nan_to_num(each, nan=-1.0)) for each in both))
        return np.asarray(np.where(answered_N & theirs_N, agree_N, answered_N == theirs_N))
