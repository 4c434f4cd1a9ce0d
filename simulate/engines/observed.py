"""Observation of every reply as it leaves a site, shared by audit and egress."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from fl_client.app import SiteApp
from simulate.engines.loopback import CohortResponder, LoopbackGrid
from simulate.engines.workers import Cohort, Replies, ThisProcess, Workers

Observer = Callable[[Any], None]
"""Called with each Flower message that leaves a site, error replies included."""


@dataclass(frozen=True)
class Observed:
    """Workers whose replies pass ``observer`` on their way to the server."""

    inner: Workers
    observer: Observer

    def answers(self, cohorts: Iterable[Cohort]) -> Iterator[Replies]:
        """The replies of each cohort, each observed before it is passed on."""
        for replies in self.inner.answers(cohorts):
            for reply in replies:
                self.observer(reply)
            yield replies

    def close(self) -> None:
        """End what was started."""
        self.inner.close()


def observed_grid(app: SiteApp, sites: int, cohort_mib: float, observer: Observer) -> LoopbackGrid:
    """A grid of ``sites`` nodes in this process whose replies pass ``observer``."""
    workers = Observed(ThisProcess(CohortResponder(app, sites)), observer)
    return LoopbackGrid(workers, sites, 1, cohort_mib)
