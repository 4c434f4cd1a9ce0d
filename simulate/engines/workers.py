"""Workers that train cohorts: this process, or persistent worker processes forked from it.

Workers are forked after the data are loaded, so that all of them read one copy. A cohort's messages
share their parameter record, and pickle preserves the sharing: a worker gets the parameters once
per cohort. Cohorts and the order of replies do not depend on the number of workers, so results
don't either.
"""

import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import Any, Protocol

from fl_common.errors import RunFailed
from simulate.engines.memory import keep_freed_memory

Cohort = Sequence[Any]
"""Messages that are handled together."""
Replies = list[Any]
_BEGUN_TOGETHER = 4
"""Cohorts that one process admits at once: one disk sync, and this many cohorts' windows."""


class CohortHandler(Protocol):
    """Handles cohorts in its own process."""

    def __call__(self, cohort: Cohort) -> Replies:
        """The replies of one cohort."""
        ...

    def each(self, cohorts: Sequence[Cohort]) -> Iterator[Replies]:
        """The replies of each of several cohorts, which are admitted together."""
        ...


class Workers(Protocol):
    """Handles cohorts, in order."""

    def answers(self, cohorts: Iterable[Cohort]) -> Iterator[Replies]:
        """The replies of each cohort; a cohort is taken from ``cohorts`` when it starts."""
        ...

    def close(self) -> None:
        """End what was started."""
        ...


class ThisProcess:
    """Handles one cohort after another in this process."""

    def __init__(self, handler: CohortHandler) -> None:
        self._handler = handler

    def answers(self, cohorts: Iterable[Cohort]) -> Iterator[Replies]:
        """The replies of each cohort."""
        rest = iter(cohorts)
        while together := list(islice(rest, _BEGUN_TOGETHER)):
            yield from self._handler.each(together)

    def close(self) -> None:
        """Nothing was started."""


class ForkedWorkers:
    """Handles ``count`` cohorts at a time, each in its own process."""

    def __init__(self, handler: CohortHandler, count: int) -> None:
        self._count = count
        self._pool = ProcessPoolExecutor(
            count,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_keep,
            initargs=(handler,),
        )

    def answers(self, cohorts: Iterable[Cohort]) -> Iterator[Replies]:
        """The replies of each cohort, in order; one more cohort than workers is in flight.

        Raises:
            RunFailed: a worker process died (killed, or out of memory).
        """
        running: deque[Future[Replies]] = deque()
        try:
            for cohort in cohorts:
                running.append(self._pool.submit(_answer, cohort))
                if len(running) > self._count:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        except BrokenProcessPool as error:
            raise RunFailed(
                "a worker process died, perhaps out of memory. Lower engine.workers or"
                " engine.cohort_mib, and resume the run"
            ) from error

    def close(self) -> None:
        """End the worker processes."""
        self._pool.shutdown(cancel_futures=True)


_handler: CohortHandler | None = None


def _keep(handler: CohortHandler) -> None:
    global _handler
    keep_freed_memory()
    _handler = handler


def _answer(cohort: Cohort) -> Replies:
    assert _handler is not None
    return _handler(cohort)
