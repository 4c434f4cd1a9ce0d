"""From a round's report to its figures: evaluates, records and reports them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fl_server.rounds.app import Row
from fl_server.rounds.report import RoundReport
from models.evaluation import Evaluator
from simulate.report.listener import RunListener
from simulate.report.results import RoundLog, RoundResult


@dataclass
class RoundRecorder:
    """Makes the row of each round; ``notes`` are told with every one of them.

    ``open`` comes first.
    """

    evaluate: Evaluator
    listener: RunListener
    notes: Sequence[str]
    _log: RoundLog = field(init=False)

    def open(self, path: Path, keep_until: int) -> None:
        """Write to the log at ``path``, of which rounds up to ``keep_until`` are kept."""
        self._log = RoundLog(path, keep_until)

    def __call__(self, report: RoundReport) -> Row:
        """Evaluate the round, write its line and tell of it."""
        predictions = self.evaluate(report.parameters)
        result = RoundResult(
            round=report.round,
            sites_asked=report.asked,
            updates=report.updates,
            refusals=Counter(str(refusal.reason) for refusal in report.refusals),
            errors=len(report.errors),
            cut=len(report.cut),
            accuracy=predictions.accuracy,
            loss=predictions.loss,
            epsilon=report.epsilon,
            epsilon_per=report.epsilon_per,
            bytes_up=report.bytes_up,
            bytes_down=report.bytes_down,
            seconds=report.seconds,
            clip_norm=report.clip_norm,
            on_sites=report.evaluation.figures() if report.evaluation else None,
        )
        self._log.append(result)
        errors = [*report.errors, *report.cut, *report.evaluation_troubles(), *self.notes]
        self.listener.round(result, report.refusals, errors)
        return result.to_row()
