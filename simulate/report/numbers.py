"""Figures of a task without labels: its first measure, and numbers beside the truth."""

import math
from collections.abc import Sequence
from functools import partial
from statistics import median

from fl_common.vocabulary import Task
from models.kinds import Measure, kind_of
from simulate.report.plots import BLUE, GREY, Figure, bars, layout_of, line, over_rounds, safe
from simulate.report.results import Outcome, RoundResult
from simulate.report.wording import counted, measure_text, title_text

_MOST_BARS = 30


def measure_over_rounds(task: Task, rounds: Sequence[RoundResult]) -> Figure:
    """The kind's first measure after each round."""
    first = _known(task, rounds[-1])
    values = [result.measures.get(first.name) for result in rounds]
    ends = f"{measure_text(first, values[0])} after the first round"
    return Figure(
        first.name,
        f"{title_text(first)} over rounds",
        f"{title_text(first)} on the test windows: {ends}, {measure_text(first, values[-1])} at the"
        f" end. {_better(first)}",
        [line(rounds, values, first.title, BLUE, "%{y:.4g}")],
        over_rounds(rounds, {"rangemode": "tozero", "title": _unit(first)}),
    )


def measure_of_sites(task: Task, outcome: Outcome) -> Figure:
    """The first measure by group of the test set; the worst, where there are many."""
    first = kind_of(task).measures[0]
    known = [(k, v) for k, v in outcome.measure_of_group.items() if math.isfinite(v)]
    worst = sorted(known, key=lambda item: item[1], reverse=not first.higher_is_better)
    values = [value for _, value in worst]
    data, layout = bars(
        dict(worst[:_MOST_BARS][::-1]),
        partial(measure_text, first),
        {"rangemode": "tozero", "title": _unit(first)},
    )
    ends = f"from {measure_text(first, min(values))} to {measure_text(first, max(values))}"
    more = f" The {_MOST_BARS} worst are shown." if len(worst) > _MOST_BARS else ""
    return Figure(
        "sites",
        f"{title_text(first)} per site",
        f"On the test windows of {counted(len(worst), 'site')}: {ends}, median"
        f" {measure_text(first, median(values))}.{more}",
        data,
        layout,
    )


def answers_beside_truth(task: Task, outcome: Outcome) -> Figure:
    """A dot for each of some windows: what it is, and what the model says."""
    truth_N, answer_N = outcome.pairs_2N.tolist()
    options = dict(task.kind.options)
    ends, unit = [options["low"], options["high"]], options["unit"]
    dots = {
        "type": "scatter", "mode": "markers", "x": truth_N, "y": answer_N, "name": "windows",
        "marker": {"color": BLUE, "size": 5, "opacity": 0.5},
        "hovertemplate": "%{x:.4g}, answered %{y:.4g}<extra></extra>",
    }  # fmt: skip
    same = {
        "type": "scatter", "mode": "lines", "x": ends, "y": ends, "name": "all right",
        "line": {"color": GREY, "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
    }  # fmt: skip
    axes = {name: {"title": f"{name}, {safe(unit)}"} for name in ("truth", "answer")}
    return Figure(
        "answers",
        "Answers beside the truth",
        f"{counted(len(truth_N), 'window')} of the test set: an answer that is right lies on the"
        " dashed line.",
        [dots, same],
        layout_of(xaxis=axes["truth"], yaxis=axes["answer"], height=420),
    )


def _known(task: Task, last: RoundResult) -> Measure:
    """The first measure that is known in the end; without labels of the test set, few are."""
    measures = kind_of(task).measures
    values = [last.measures.get(measure.name) for measure in measures]
    known = [m for m, v in zip(measures, values, strict=True) if v is not None and math.isfinite(v)]
    return next(iter(known), measures[0])


def _better(measure: Measure) -> str:
    return "Higher is better." if measure.higher_is_better else "Lower is better."


def _unit(measure: Measure) -> str:
    return "" if measure.unit is None else safe(measure.unit)
