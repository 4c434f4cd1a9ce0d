"""Display of a live fleet: predictions beside the truth, and the closing table."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from models.kinds import CLASSIFICATION
from simulate.engines.live.score import Score, measured, quantile_s
from simulate.report.drawing import Drawing
from simulate.report.wording import counted, measures_text, one_line, percent_text, seconds_text

_LINES = 20
_HEADS = ("site", "right", "windows", "p50", "p99", "received", "processed", "waiting")


class Shown:
    """Draws ``scores`` on a terminal; elsewhere prints about twenty lines in all."""

    def __init__(
        self, drawing: Drawing, scores: Sequence[Score], seconds: float, speed: float
    ) -> None:
        self._drawing, self._scores = drawing, list(scores)
        self._seconds, self._speed = seconds, speed
        self._printed = 0

    def __call__(self, passed_s: float) -> None:
        """Show the state after ``passed_s`` seconds."""
        if self._drawing.show(self._table(passed_s)):
            return
        if passed_s * _LINES >= self._printed * self._seconds and self._printed <= _LINES:
            self._printed += 1
            self._drawing.output.print(Text(self._head(passed_s)), soft_wrap=True)

    def _head(self, passed_s: float) -> str:
        received = sum(len(score.predictions) for score in self._scores)
        latency = quantile_s(self._scores, 0.5)
        text = f"{min(passed_s, self._seconds):.0f} of {self._seconds:g} s at speed {self._speed:g}"
        text += f"   {counted(received, 'prediction')}"
        if latency is None:
            return text
        right = sum(score.right for score in self._scores) / received
        return f"{text}, {percent_text(right)} right, {seconds_text(latency)} each"

    def _table(self, passed_s: float) -> Table:
        table = _table(title=self._head(passed_s))
        for head in ("site", "predicted", "truth", "lately", "right", "waiting"):
            table.add_column(head, no_wrap=True)
        for score in self._scores:
            last = next(reversed(score.predictions.values()), None)
            table.add_row(
                Text(one_line(score.name)),
                Text(one_line(last.said), style=_style(last.is_right)) if last else "",
                Text(one_line(last.truth)) if last else "",
                self._marks(score),
                _share(score),
                str(score.messages.get("waiting", "")),
            )
        return table

    def _marks(self, score: Score) -> Text:
        right, wrong = ("x", "-") if self._drawing.output.options.ascii_only else ("✓", "✗")
        return Text.assemble(*((right if one else wrong, _style(one)) for one in score.recent))


def closing_table(scores: Sequence[Score]) -> Table:
    """A row for each site, and one for all."""
    table = _table()
    for head in (*_HEADS, "lost"):
        table.add_column(head, no_wrap=True, justify="left" if head == "site" else "right")
    for score in scores:
        table.add_row(*_row(one_line(score.name), [score]))
    if len(scores) > 1:
        table.add_section()
        table.add_row(*_row("all", scores))
    return table


def remarks(scores: Sequence[Score]) -> list[str]:
    """Remarks that the table does not make."""
    readings, sent = sum(s.readings for s in scores), sum(s.sent for s in scores)
    labels = " and their labels" if scores[0].task.kind.name == CLASSIFICATION else ""
    lines = [
        f"{counted(sent, 'message')} carried {counted(readings, 'reading')}{labels}."
        " Those that wait are needed by windows that are not whole yet."
    ]
    if told := measures_text(scores[0].task, measured(scores)):
        lines.append(f"Of all predictions: {told}.")
    if not any(score.trouble() for score in scores):
        lines.append("On every site: received = processed + waiting + lost.")
    if on_the_way := sum(score.on_the_way for score in scores):
        lines.append(f"{counted(on_the_way, 'message')} had not reached a node when it ended.")
    if missing := sum(score.windows - len(score.predictions) for score in scores):
        lines.append(f"No prediction was received for {counted(missing, 'window')}.")
    return lines


def _row(name: str, scores: Sequence[Score]) -> list[str]:
    received, windows = sum(len(s.predictions) for s in scores), sum(s.windows for s in scores)
    right = sum(s.right for s in scores)
    latencies = [quantile_s(list(scores), share) for share in (0.5, 0.99)]
    return [
        name,
        percent_text(right / received if received else None),
        f"{received:,}" if received == windows else f"{received:,} of {windows:,}",
        *("" if one is None else seconds_text(one) for one in latencies),
        *(f"{sum(s.messages[n] for s in scores):,}" for n in ("received", "processed", "waiting")),
        f"{sum(s.lost for s in scores):,}",
    ]


def _share(score: Score) -> str:
    return percent_text(score.right / len(score.predictions)) if score.predictions else ""


def _style(right: bool) -> str:
    return "green" if right else "red"


def _table(title: str | None = None) -> Table:
    return Table(
        title=title, title_justify="left", title_style="bold", box=None, padding=(0, 1, 0, 0)
    )
