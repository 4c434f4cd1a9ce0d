"""The line of progress: as many facts of a round as fit in the width at hand."""

from collections.abc import Iterator
from enum import IntEnum

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from fl_common.plan import RunPlan
from simulate.report.results import RoundResult
from simulate.report.wording import (
    also_text,
    bytes_text,
    clock_text,
    counted,
    loss_text,
    measures_text,
    score_text,
    share_text,
)

_BAR_LEAST, _BAR_MOST = 8, 40
_RECENT = 10
"""Rounds over which the time that is left is estimated."""


class _Rank(IntEnum):
    """What stays longest when the line gets narrow."""

    ACCURACY = 1
    EPSILON = 2
    SITES_OUT = 3
    TIME_LEFT = 4
    ON_SITES = 5
    LOSS = 6
    TRAFFIC = 7


class RoundLine:
    """The latest round on one line. As a rich renderable it fills the width and never wraps."""

    def __init__(self, plan: RunPlan, rounds_done: int) -> None:
        self.plan = plan
        self._done = rounds_done
        self._result: RoundResult | None = None
        self._recent_s: list[float] = []

    def show(self, result: RoundResult) -> None:
        """Make ``result`` the latest round."""
        self._result, self._done = result, result.round
        self._recent_s = [*self._recent_s, result.seconds][-_RECENT:]

    def is_due(self, lines: int) -> bool:
        """True for the rounds to print when there shall be about ``lines`` of them in all."""
        every = -(-self.plan.rounds // lines)
        return self._done in (1, self.plan.rounds) or self._done % every == 0

    def plain(self, *, unicode: bool) -> str:
        """All facts, with no bar."""
        return " ".join([self._head(), *(text for _, text in self._facts(unicode))])

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._fitted(options.max_width, not options.ascii_only)

    def _fitted(self, width: int, unicode: bool) -> Text:
        head = self._head()
        for facts in self._choices(unicode):
            tail = " ".join(facts)
            room = width - cell_len(head) - cell_len(tail) - 2
            if room >= _BAR_LEAST:
                bar = self._bar(min(room, _BAR_MOST), unicode)
                return Text.assemble(head, " ", *bar, " ", tail, no_wrap=True)
        text = Text(head, no_wrap=True)
        text.truncate(width)
        return text

    def _choices(self, unicode: bool) -> Iterator[list[str]]:
        """All facts, all in shorter words, then ever fewer of them, in the same order."""
        facts = self._facts(unicode)
        yield [text for _, text in facts]
        shorter = {"accuracy": "acc", " for a ": "/"}
        for long, short in shorter.items():
            facts = [(rank, text.replace(long, short)) for rank, text in facts]
        for most in range(len(_Rank), 0, -1):
            yield [text for rank, text in facts if rank <= most]

    def _head(self) -> str:
        rounds = self.plan.rounds
        return f"round {self._done:>{len(str(rounds))}}/{rounds}"

    def _facts(self, unicode: bool) -> list[tuple[_Rank, str]]:
        """The facts of the latest round, in the order in which they are shown."""
        result = self._result
        if result is None:
            return [(_Rank.ACCURACY, "the next round is under way")]
        told = measures_text(self.plan.task, result.measures, most=1)
        if self.plan.task.labels:
            told = f"accuracy {share_text(result.accuracy)}"
        facts = [(_Rank.ACCURACY, told)]
        facts.append((_Rank.LOSS, f"loss {loss_text(result.loss)}"))
        if (promise := self.plan.privacy.guarantee) is not None:
            name = "ε" if unicode else "epsilon"
            spent = f"{name} {result.epsilon:.2f}/{promise.epsilon_limit:g}"
            spent += also_text(promise, result.epsilon_per)
            facts.append((_Rank.EPSILON, spent))
        if result.on_sites and result.on_sites["accuracy"] is not None:
            seen = score_text(self.plan.task, result.on_sites["accuracy"])
            facts.append((_Rank.ON_SITES, f"on sites {seen}"))
        up, down = ("↑", "↓") if unicode else ("up ", "down ")
        traffic = f"{up}{bytes_text(result.bytes_up)} {down}{bytes_text(result.bytes_down)}"
        facts.append((_Rank.TRAFFIC, traffic))
        if lost := result.sites_asked - result.updates:
            facts.append((_Rank.SITES_OUT, f"{counted(lost, 'site')} out"))
        if left := self.plan.rounds - self._done:
            left_s = left * sum(self._recent_s) / len(self._recent_s)
            facts.append((_Rank.TIME_LEFT, f"{clock_text(left_s)} left"))
        return facts

    def _bar(self, width: int, unicode: bool) -> list[tuple[str, str]]:
        full = width * self._done // self.plan.rounds
        done, left = ("━", "─") if unicode else ("#", "-")
        return [(done * full, "green"), (left * (width - full), "dim")]
