"""Console output of a run, in progress and at its end.

On a terminal one line is drawn over and over; it is drawn when a round ends and by no thread of its
own, so worker processes can be forked at any time. Elsewhere (a file, a pipe, a CI log) a line is
printed for a round, with no control codes, and never more than about fifty in all.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import rich.console
from rich.table import Table
from rich.text import Text

from fl_common.errors import BadInput
from fl_common.plan import RunPlan
from fl_common.vocabulary import Refusal
from models.kinds.multilabel import MULTILABEL, of_labels
from simulate.report.drawing import Drawing
from simulate.report.progress import RoundLine
from simulate.report.results import Outcome, RoundResult, net_name
from simulate.report.tables import KEY_CELLS, RefusalLog, class_table, main_table, spent_text
from simulate.report.wording import (
    NO_PRIVACY,
    loss_text,
    measures_text,
    one_line,
    privacy_sentence,
    share_text,
    title_of,
)

_LINES = 50
"""Lines of progress, about, where the output is no terminal."""
_NUMBER = re.compile(r"(?<![\w-])\d[\d.e+-]*")
"""In what is told of a site, so that the same trouble with another figure is not told again."""


class Console:
    """Shows one run: ``start``, then ``round`` for each, then ``finish``.

    A context manager: on leaving, also by an error, the terminal is whole again. With ``brief`` (a
    sweep) the closing table is one line.
    """

    def __init__(self, output: rich.console.Console | None = None, *, brief: bool = False) -> None:
        self._output = output or standard_output()
        self._brief = brief
        self._drawing = Drawing(self._output)
        self._line: RoundLine | None = None
        self._told: set[str] = set()
        self._refused = RefusalLog()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the line of progress as it stands; nothing where there is none."""
        self._drawing.close()

    def start(self, plan: RunPlan, sites: int, rounds_done: int) -> None:
        """Say what is about to run, and how private it is."""
        facts = {"task": plan.task.name, "net": net_name(plan), "sites": sites}
        self._say(title_of({**facts, "rounds": plan.rounds, "seed": plan.seed}), style="bold")
        if plan.privacy.guarantee is None:
            self._say(NO_PRIVACY, style="bold red")
        else:
            self._say(f"differential privacy: {privacy_sentence(plan)}")
        if rounds_done:
            self._say(f"going on after round {rounds_done} of {plan.rounds}")
        self._line = RoundLine(plan, rounds_done)
        self._drawing.show(self._line)

    def round(
        self, result: RoundResult, refusals: Sequence[Refusal] = (), errors: Sequence[str] = ()
    ) -> None:
        """Show a finished round; what went wrong in it is said the first time it happens."""
        assert self._line is not None, "start() comes first"
        for refusal in refusals:
            self._refused.add(refusal)
            reason, who = str(refusal.reason), f"round {refusal.round}: site {refusal.site}"
            self._tell(reason, f"{who} refuses ({reason}): {refusal.detail}")
        for error in errors:
            self._tell(_NUMBER.sub("", error), f"round {result.round}: {error}")
        self._line.show(result)
        if not self._drawing.show(self._line) and self._line.is_due(_LINES):
            self._output.print(Text(self._line.plain(unicode=self._unicode)), soft_wrap=True)

    def tell(self, line: str) -> None:
        """A line of its own, after those of the rounds."""
        self.close()
        self._say(line)

    def finish(
        self, summary: Mapping[str, Any], outcome: Outcome, files: Mapping[str, Path]
    ) -> None:
        """The closing table; ``files`` are paths by what lies there."""
        self.close()
        assert self._line is not None, "start() comes first"
        plan = self._line.plan
        if self._brief:
            folder = next(iter(files.values())).parent if files else ""
            self._output.print(Text(f"{_headline(summary, plan)}  {folder}"), soft_wrap=True)
            return
        self._output.print()
        self._say(title_of(summary), style="bold")
        self._output.print(main_table(summary, outcome, plan))
        if plan.task.labels:
            self._section(
                "accuracy per class", class_table(outcome.per_class_accuracy, self._unicode)
            )
        if plan.task.kind.name == MULTILABEL:
            f1_of = {name: one["f1"] for name, one in of_labels(plan.task, outcome.sums).items()}
            self._section("F1 of each label", class_table(f1_of, self._unicode))
        if self._refused:
            self._section("sites that refused", self._refused.table())
        self._output.print()
        if plan.privacy.guarantee is None:
            self._say(NO_PRIVACY, style="bold red")
        for name, path in files.items():
            self._output.print(Text(f"{name:<{KEY_CELLS}}{path}"), soft_wrap=True)

    @property
    def _unicode(self) -> bool:
        return not self._output.options.ascii_only

    def _section(self, title: str, table: Table) -> None:
        self._output.print()
        self._say(title, style="bold")
        self._output.print(table)

    def _say(self, line: str, style: str = "") -> None:
        """A line: wrapped at words on a terminal, whole in a file."""
        text = Text(one_line(line), style=style)
        self._output.print(text, soft_wrap=not self._output.is_terminal)

    def _tell(self, kind: str, line: str) -> None:
        if kind not in self._told:
            self._told.add(kind)
            self._say(line, style="yellow")


def print_error(error: BadInput) -> None:
    """One line on stderr: the value, the rule and the remedy."""
    output = rich.console.Console(stderr=True, highlight=False)
    line = one_line(str(error))
    output.print(Text.assemble(("error: ", "bold red"), line), soft_wrap=True)


def standard_output() -> rich.console.Console:
    """Standard output, on which a letter that its encoding lacks becomes a question mark."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return rich.console.Console(highlight=False)


def _headline(summary: Mapping[str, Any], plan: RunPlan) -> str:
    told, loss = f"accuracy {share_text(summary['accuracy'])}", loss_text(summary["loss"])
    if not plan.task.labels:
        told = measures_text(plan.task, summary["measures"])
    return f"{told}  loss {loss}  {spent_text(summary, plan)}"
