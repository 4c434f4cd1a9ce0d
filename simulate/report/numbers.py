"""Figures of a task that learns numbers: the errors, and answers beside the truth."""

from collections.abc import Sequence
from statistics import median

from fl_common.vocabulary import Task
from models.kinds import Measure, kind_of
from simulate.report.plots import BLUE, GREY, Figure, layout_of, line, over_rounds, safe, tick
from simulate.report.results import Outcome, RoundResult
from simulate.report.wording import counted, measure_text

_MOST_BARS = 30


def measure_over_rounds(task: Task, rounds: Sequence[RoundResult]) -> Figure:
    """The kind's first measure after each round."""
    first = kind_of(task).measures[0]
    values = [result.measures.get(first.name) for result in rounds]
    ends = f"{measure_text(first, values[0])} after the first round"
    return Figure(
        first.name,
        f"{_title(first)} over rounds",
        f"{_title(first)} on the test windows: {ends}, {measure_text(first, values[-1])} at the"
        " end. Lower is better.",
        [line(rounds, values, first.title, BLUE, "%{y:.4g}")],
        over_rounds(rounds, {"rangemode": "tozero", "title": _unit(first)}),
    )


def measure_of_sites(task: Task, outcome: Outcome) -> Figure:
    """The first measure by group of the test set; the worst, where there are many."""
    first = kind_of(task).measures[0]
    worst = sorted(outcome.measure_of_group.items(), key=lambda item: -item[1])
    values = [value for _, value in worst]
    shown = worst[:_MOST_BARS][::-1]
    text = [measure_text(first, value) for _, value in shown]
    bars = {
        "type": "bar", "orientation": "h", "x": [value for _, value in shown],
        "y": list(range(len(shown))), "marker": {"color": BLUE}, "text": text,
        "textposition": "auto", "customdata": [safe(name) for name, _ in shown],
        "hovertemplate": "%{customdata}: %{x:.4g}<extra></extra>",
    }  # fmt: skip
    ticks = {"tickvals": list(range(len(shown))), "ticktext": [tick(name) for name, _ in shown]}
    layout = layout_of(
        xaxis={"rangemode": "tozero", "title": _unit(first)},
        yaxis={**ticks, "showgrid": False, "ticklabelstandoff": 6},
        height=max(300, 70 + 26 * len(shown)),
    )
    ends = f"from {measure_text(first, values[-1])} to {measure_text(first, values[0])}"
    more = f" The {_MOST_BARS} worst are shown." if len(worst) > _MOST_BARS else ""
    return Figure(
        "sites",
        f"{_title(first)} per site",
        f"On the test windows of {counted(len(worst), 'site')}: {ends}, median"
        f" {measure_text(first, median(values))}.{more}",
        [bars],
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


def _title(measure: Measure) -> str:
    return measure.title[0].upper() + measure.title[1:]


def _unit(measure: Measure) -> str:
    return "" if measure.unit is None else safe(measure.unit)
