"""Listeners of a run in progress: a console, or the calling program."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fl_common.plan import RunPlan
from fl_common.vocabulary import Refusal
from simulate.report.results import Outcome, RoundResult


class RunListener(Protocol):
    """Hears ``start``, then ``round`` for each, then ``finish``; ``tell`` between any two."""

    def start(self, plan: RunPlan, sites: int, rounds_done: int) -> None:
        """The run is about to begin, or to go on after ``rounds_done`` rounds."""
        ...

    def round(
        self, result: RoundResult, refusals: Sequence[Refusal] = (), errors: Sequence[str] = ()
    ) -> None:
        """A round has ended; ``errors`` say what went wrong in it beside the ``refusals``."""
        ...

    def tell(self, line: str) -> None:
        """A remark about the run."""
        ...

    def finish(
        self, summary: Mapping[str, Any], outcome: Outcome, files: Mapping[str, Path]
    ) -> None:
        """The run has ended; ``files`` are paths by what lies there."""
        ...


@dataclass(frozen=True)
class RoundListener:
    """Hands each round to ``on_round``, and is silent otherwise; None: about rounds, too."""

    on_round: Callable[[RoundResult], object] | None = None

    def start(self, plan: RunPlan, sites: int, rounds_done: int) -> None:
        """Nothing is shown."""

    def round(
        self, result: RoundResult, refusals: Sequence[Refusal] = (), errors: Sequence[str] = ()
    ) -> None:
        """Call ``on_round``."""
        if self.on_round is not None:
            self.on_round(result)

    def tell(self, line: str) -> None:
        """Nothing is shown."""

    def finish(
        self, summary: Mapping[str, Any], outcome: Outcome, files: Mapping[str, Path]
    ) -> None:
        """Nothing is shown."""
