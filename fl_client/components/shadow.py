"""A candidate that runs beside production on the live windows, and acts on nothing.

It has a thread of its own, so that it delays no prediction; what it can't keep up with is left out
and counted. What was counted stays on the site (``Counts``), and leaves by the uplink alone
(``fl_client/shadow_release.py``), and there only what was counted of held-out windows.
"""

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from fl_client.answers import Prediction
from fl_client.components.counts import (
    COUNTS,
    Counts,
    HeldOutDay,
    Seen,
    read_counts,
    write_counts,
)
from fl_client.components.places import model_file
from fl_client.components.record import Version
from fl_client.engine import Engine
from fl_client.slots import Slot
from fl_common.errors import JoinTheDotsError
from fl_common.vocabulary import Floats

_log = logging.getLogger(__name__)
_MOST_WAITING = 4


class Shadow:
    """Runs the candidate of ``slot`` on ``engine``; ``folder`` keeps what was counted.

    A window for which the candidate takes more than ``times_slower`` production's time is late.
    """

    def __init__(
        self,
        slot: Slot,
        engine: Engine,
        folder: Path,
        held_out_day: HeldOutDay,
        times_slower: float,
    ) -> None:
        self._slot, self._engine, self._path = slot, engine, folder / COUNTS
        self._held_out_day, self._times_slower = held_out_day, times_slower
        self._counts = read_counts(self._path)
        self._worker = ThreadPoolExecutor(1, "shadow")
        self._waiting = threading.Semaphore(_MOST_WAITING)
        self._changing = threading.Lock()
        self.candidate: Version | None = None

    def set_candidate(self, candidate: tuple[Version, Path] | None) -> None:
        """Run the file of this version's folder from now on, or none; and have the counts on disk.

        Raises:
            InvalidData, InvalidConfiguration, OSError: it can't be placed.
        """
        if candidate is not None and self._slot.current() != candidate[0].file:
            path = model_file(candidate[1])
            assert path is not None, "a component without a model file is refused before"
            self._slot.activate(self._slot.place(path))
        with self._changing:
            self.candidate = candidate[0] if candidate else None
            if self.candidate and self._counts.candidate != self.candidate.component:
                self._counts = Counts(self.candidate.component)
            counts = self._counts
        write_counts(self._path, counts)

    def see(self, starts_N: Sequence[int], values_N: Floats, production: Prediction) -> None:
        """Let the candidate answer windows that production has answered; returns at once."""
        if self.candidate is None:
            return
        if not self._waiting.acquire(blocking=False):
            with self._changing:
                self._counts = self._counts.with_skipped(len(starts_N))
            return
        self._worker.submit(self._compare, list(starts_N), values_N, production)

    def status(self) -> dict[str, Any]:
        """What was counted, for the people of this site."""
        with self._changing:
            return {**self._counts.shown(), "trouble": self._engine.status().trouble}

    def wait(self) -> None:
        """Wait until what was begun is counted."""
        self._worker.submit(lambda: None).result()

    def close(self) -> None:
        """Wait for what was begun, and have the counts on disk."""
        self._worker.shutdown()
        write_counts(self._path, self._counts)

    def _compare(self, starts_N: list[int], values_N: Floats, production: Prediction) -> None:
        try:
            seen = self._seen(values_N, production)
            with self._changing:
                for row, start_ns in enumerate(starts_N):
                    self._counts = self._counts.plus(seen[row], self._held_out_day(start_ns))
        except Exception:  # a candidate may do anything, and must stop nothing
            _log.exception("the shadow of production failed")
        finally:
            self._waiting.release()

    def _seen(self, values_N: Floats, production: Prediction) -> list[Seen]:
        """What the candidate did with each window that production has answered."""
        count = len(values_N)
        try:
            self._engine.swap()
            answer = self._engine.predict(values_N)
        except JoinTheDotsError as error:
            _log.error("the candidate has no answer: %s", error)
            return [Seen(False, True, False, 0.0, production.seconds / count)] * count
        failed_N = production.answered_N & ~answer.answered_N
        same_N = _labels(answer) == _labels(production)
        late = answer.seconds > self._times_slower * production.seconds
        return [
            Seen(
                bool(same_N[row] and not failed_N[row]),
                bool(failed_N[row]),
                late,
                answer.seconds / count,
                production.seconds / count,
            )
            for row in range(count)
        ]


def _labels(prediction: Prediction) -> Any:
    """The index of each row's label; -1 where there is no answer."""
    rows_NK = np.nan_to_num(prediction.probabilities_NK, nan=-1.0)
    return np.where(prediction.answered_N, rows_NK.argmax(axis=1), -1)
