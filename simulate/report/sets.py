"""Figures of a task of several labels for each window: how well each of them is told."""

from fl_common.vocabulary import Task
from models.kinds.multilabel import of_labels
from simulate.report.plots import Figure, bars
from simulate.report.results import Outcome
from simulate.report.wording import counted, one_line, share_text

_MOST_BARS = 30


def f1_of_labels(task: Task, outcome: Outcome) -> Figure:
    """A bar for each label that a test window has; the lowest, where there are many."""
    measured = of_labels(task, outcome.sums)
    f1_of = {label: one["f1"] for label, one in measured.items()}
    shown = dict(sorted(f1_of.items(), key=lambda item: item[1])[:_MOST_BARS])
    data, layout = bars(
        {label: f1 for label, f1 in reversed(f1_of.items()) if label in shown},
        share_text,
        {"range": [0, 1.02]},
    )
    lowest = min(f1_of, key=f1_of.__getitem__, default=None)
    told = ""
    if lowest is not None:
        one = {name: round(value) for name, value in measured[lowest].items()}
        told = (
            f" The lowest is {one_line(lowest)} with {share_text(f1_of[lowest])}: found in"
            f" {counted(one['found'], 'window')} that have it, missed in {one['missed']:,}, and"
            f" named in {one['wrong']:,} that have not."
        )
    more = f" The {_MOST_BARS} lowest are shown." if len(f1_of) > _MOST_BARS else ""
    return Figure(
        "labels",
        "F1 of each label",
        f"2 found / (2 found + missed + wrongly named), over the test windows.{told}{more}",
        data,
        layout,
    )
