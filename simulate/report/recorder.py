"""From a round's report to its figures: evaluates them, and tells them once they are kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fl_common.errors import RunFailed
from fl_server.rounds.app import Row
from fl_server.rounds.report import RoundReport
from models.evaluation import Evaluator, Predictions
from simulate.report.listener import RunListener
from simulate.report.results import RoundLog, RoundResult
from simulate.report.spending import Spending

_DIVERGED = 1000.0
"""Times the loss of a blind guess: training that goes on can be far off, but not as far."""


@dataclass
class RoundRecorder:
    """Makes the row of each round, and announces it; ``notes`` are told with every one of them.

    ``open`` comes first. Nothing is shown of a round before its checkpoint is saved: a round that
    is repeated has told nobody anything.
    """

    evaluate: Evaluator
    spending: Spending
    listener: RunListener
    notes: Sequence[str]
    _log: RoundLog = field(init=False)
    _newest: RoundResult = field(init=False)

    def open(self, path: Path, history: Sequence[Row]) -> None:
        """Write to the log at ``path``, which has a line for each round of ``history``."""
        self._log = RoundLog(path, keep_until=len(history))
        for row in history[self._log.last_kept :]:
            self._log.append(RoundResult.from_row(row))

    def __call__(self, report: RoundReport) -> Row:
        """Evaluate the round; its row.

        Raises:
            RunFailed: the run has diverged; the round is not kept.
        """
        predictions = self.evaluate(report.parameters)
        _check_converges(report.round, predictions)
        result = RoundResult(
            round=report.round,
            sites_asked=report.asked,
            updates=report.updates,
            refusals=Counter(str(refusal.reason) for refusal in report.refusals),
            errors=len(report.errors),
            cut=len(report.cut),
            accuracy=predictions.measures.get("accuracy"),
            loss=predictions.loss,
            epsilon=report.epsilon,
            epsilon_per=report.epsilon_per,
            bytes_up=report.bytes_up,
            bytes_down=report.bytes_down,
            seconds=report.seconds,
            clip_norm=report.clip_norm,
            measures=predictions.measures,
            on_sites=report.evaluation.figures() if report.evaluation else None,
        )
        self._newest = self.spending.told(result)
        return self._newest.to_row()

    def announce(self, report: RoundReport) -> None:
        """Write the line of the round, which is saved, and tell of it."""
        self._log.append(self._newest)
        self.listener.round(self._newest, report.refusals, [*report.troubles(), *self.notes])


def _check_converges(round_: int, predictions: Predictions) -> None:
    """Raise where the loss is no number, or a thousand times that of a blind guess."""
    guessed = predictions.kind.guess_loss
    if predictions.loss <= _DIVERGED * guessed:  # false for NaN
        return
    raise RunFailed(
        f"round {round_}: the run has diverged: its loss is {predictions.loss:.3g}, and that of a"
        f" blind guess {guessed:.3g}. Lower training.learning_rate, or"
        " strategy.optimiser.learning_rate. Nothing is published"
    )
