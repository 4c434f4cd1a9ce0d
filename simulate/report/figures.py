"""The figures of the report: what is drawn, and what it says in words.

They are plain values; plotly.js draws them in the page.
"""

import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.plan import RunPlan
from fl_common.privacy.unit import Guarantee
from fl_common.vocabulary import Task
from models.kinds import FORECAST, MULTILABEL, SEQUENCE, kind_of, learns_scores
from simulate.report.anomalies import roc, scores_beside_threshold
from simulate.report.confusion import Confusion
from simulate.report.forecasts import (
    errors_of_channels,
    errors_of_steps,
    forecasts_beside_truth,
)
from simulate.report.numbers import answers_beside_truth, measure_of_sites, measure_over_rounds
from simulate.report.plots import (
    BLUE,
    GREEN,
    ORANGE,
    SERIES,
    Figure,
    Trace,
    bars,
    dashed,
    histogram,
    layout_of,
    line,
    over_rounds,
    safe,
    strip,
    tick,
)
from simulate.report.results import Outcome, RoundResult
from simulate.report.sets import f1_of_labels
from simulate.report.wording import (
    also_text,
    bytes_text,
    counted,
    loss_text,
    one_line,
    percent_text,
    seconds_text,
)

_NAMED_SITES, _DOTTED_SITES = 30, 1000
"""Up to here a bar each, up to here a dot each, above that a histogram."""
_MOST_CLASSES = 30
"""So many are shown: the most confused in a matrix, and those with the lowest accuracy as bars."""
_WRITTEN_CLASSES = 12
"""Up to here the confusion matrix has its figures in its cells."""


def figures(plan: RunPlan, rounds: Sequence[RoundResult], outcome: Outcome) -> list[Figure]:
    """All figures of a run, in the order in which they are shown."""
    each = "reading" if plan.task.kind.name == SEQUENCE else "window"
    labels = plan.task.labels
    drawn = [_accuracy(rounds, each) if labels else measure_over_rounds(plan.task, rounds)]
    if (promise := plan.privacy.guarantee) is not None:
        drawn.append(_epsilon(promise, rounds))
    drawn.append(_loss(rounds, kind_of(plan.task).loss_name))
    if labels:
        drawn.append(_sites(outcome.accuracy_of_group, each))
        drawn += _confusion(labels, outcome.confusion, each)
        drawn.append(_classes(outcome.per_class_accuracy, each))
    elif plan.task.kind.name == FORECAST:
        drawn += _of_forecasts(plan.task, outcome)
    elif learns_scores(plan.task):
        drawn += _of_scores(plan.task, outcome)
    elif plan.task.kind.name == MULTILABEL:
        drawn += [measure_of_sites(plan.task, outcome), f1_of_labels(plan.task, outcome)]
    else:
        drawn += [measure_of_sites(plan.task, outcome), answers_beside_truth(plan.task, outcome)]
    drawn += [_traffic(rounds), _seconds(rounds)]
    if any(result.updates < result.sites_asked for result in rounds):
        drawn.append(_answers(rounds))
    return drawn


def _of_forecasts(task: Task, outcome: Outcome) -> list[Figure]:
    first, *others = forecasts_beside_truth(task, outcome)
    measured = [errors_of_steps(outcome), errors_of_channels(task, outcome)]
    return [first, *measured, measure_of_sites(task, outcome), *others]


def _of_scores(task: Task, outcome: Outcome) -> list[Figure]:
    """Without labels there are fewer."""
    known = math.isfinite(outcome.measures["auroc"])
    sites = [measure_of_sites(task, outcome)] if known else []
    return [scores_beside_threshold(outcome), *([roc(outcome)] if known else []), *sites]


def _accuracy(rounds: Sequence[RoundResult], each: str) -> Figure:
    values = [result.accuracy for result in rounds]
    return Figure(
        "accuracy",
        "Accuracy over rounds",
        f"Share of test {each}s that the global model classifies correctly:"
        f" {percent_text(values[0])} after the first round, {percent_text(values[-1])} at the end.",
        [line(rounds, values, "accuracy", BLUE, "%{y:.1%}")],
        over_rounds(rounds, {"range": [0, 1.02], "tickformat": ".0%"}),
    )


def _epsilon(promise: Guarantee, rounds: Sequence[RoundResult]) -> Figure:
    values, limit = [result.epsilon for result in rounds], promise.epsilon_limit
    layout = over_rounds(rounds, {"range": [0, 1.12 * max(limit, *values)]})
    layout["shapes"] = [dashed(y0=limit, y1=limit, xref="paper", x0=0, x1=1)]
    layout["annotations"] = [
        {"text": f"limit {limit:g}", "xref": "paper", "x": 0, "y": limit, "xanchor": "left",
         "yanchor": "bottom", "showarrow": False}
    ]  # fmt: skip
    return Figure(
        "epsilon",
        "Privacy spent: epsilon over rounds",
        f"Highest epsilon over sites for each {promise.unit}, composed from the first round on:"
        f" {values[-1]:.3g}{also_text(promise, rounds[-1].epsilon_per)} at the end, and the limit"
        f" is {limit:g}.",
        [line(rounds, values, "epsilon", ORANGE, "%{y:.3f}")],
        layout,
    )


def _loss(rounds: Sequence[RoundResult], name: str) -> Figure:
    values = [result.loss for result in rounds]
    return Figure(
        "loss",
        "Loss over rounds",
        f"{name}, on the test windows: {loss_text(values[0])} after the first"
        f" round, {loss_text(values[-1])} at the end.",
        [line(rounds, values, "loss", BLUE, "%{y:.3f}")],
        over_rounds(rounds, {"rangemode": "tozero"}),
    )


def _sites(accuracy_of: Mapping[str, float], each: str) -> Figure:
    known = {name: share for name, share in accuracy_of.items() if math.isfinite(share)}
    ordered = dict(sorted(known.items(), key=lambda item: item[1]))
    shares = list(ordered.values())
    middle = median(shares) if shares else math.nan
    if len(shares) <= _NAMED_SITES:
        data, layout = bars(ordered)
    elif len(shares) <= _DOTTED_SITES:
        data, layout = strip(ordered)
    else:
        data, layout = histogram(shares)
    if shares:
        layout["shapes"] = [dashed(x0=middle, x1=middle, yref="paper", y0=0, y1=1)]
    ends = f"from {percent_text(shares[0])} to {percent_text(shares[-1])}" if shares else ""
    return Figure(
        "sites",
        "Accuracy per site",
        f"Accuracy of the final model on the test {each}s of {counted(len(shares), 'site')}:"
        f" {ends}, median {percent_text(middle)} (dashed).",
        data,
        layout,
    )


def _confusion(labels: Sequence[str], confusion: Confusion, each: str) -> list[Figure]:
    """The matrix of the most confused labels; none where there are many, and no mistake."""
    if not (chosen := confusion.most_confused(_MOST_CLASSES)):
        return []
    total_K, right = confusion.total_K, int(confusion.right_K.sum())
    counts_KK, totals_K1 = confusion.matrix(chosen), total_K[chosen][:, None]
    of_all = f" Shown are the {len(chosen)} that are confused most, of {len(labels):,} labels."
    more = of_all if len(chosen) < len(labels) else ""
    labels = [labels[place] for place in chosen]
    shares_KK = counts_KK / np.maximum(totals_K1, 1)
    names = [tick(label) for label in labels]
    hover_KK = [
        [f"{safe(truth)}, named {safe(named)}:<br>{count} of {total}"
         for named, count in zip(labels, row_K, strict=True)]
        for truth, row_K, total in zip(labels, counts_KK, totals_K1[:, 0], strict=True)
    ]  # fmt: skip
    heat: Trace = {
        "type": "heatmap", "z": shares_KK.round(4).tolist(), "text": hover_KK, "zmin": 0, "zmax": 1,
        "hovertemplate": "%{text} (%{z:.1%})<extra></extra>", "showscale": False,
        "colorscale": [[0, "rgba(47,122,185,0)"], [1, "rgba(47,122,185,0.85)"]],
        "xgap": 1, "ygap": 1,
    }  # fmt: skip
    ticks = {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False}
    ticks["ticklabelstandoff"] = 4
    layout = layout_of(
        xaxis={**ticks, "title": "named", "tickangle": -40},
        yaxis={**ticks, "title": "truth", "autorange": "reversed"},
        height=_height_of(len(names)),
    )
    if len(names) <= _WRITTEN_CLASSES:
        layout["annotations"] = _cells(shares_KK)
    says = (
        "Each row is one true class, and its cells show the predicted classes in percent."
        f" {right:,} of {counted(int(total_K.sum()), each)} are correct.{more}"
    )
    return [Figure("confusion", "Confusion matrix", says, [heat], layout)]


def _height_of(classes: int) -> int:
    return min(720, max(360, 170 + 36 * classes))


def _cells(shares_KK: NDArray[np.float64]) -> list[dict[str, Any]]:
    """The percentages in the cells; an empty cell stays empty."""
    return [
        {"x": int(column), "y": int(row), "text": f"{100 * shares_KK[row, column]:.0f}",
         "showarrow": False}
        for row, column in np.argwhere(shares_KK >= 0.005)
    ]  # fmt: skip


def _classes(accuracy_of: Mapping[str, float], each: str) -> Figure:
    known = {label: share for label, share in accuracy_of.items() if math.isfinite(share)}
    shown = dict(accuracy_of)
    if len(shown) > _MOST_CLASSES:
        shown = dict(sorted(known.items(), key=lambda item: item[1])[:_MOST_CLASSES])
    data, layout = bars(dict(reversed(list(shown.items()))))
    layout["height"] = max(layout["height"], _height_of(len(shown)))
    left = len(accuracy_of) - len(shown)
    of_all = f" Shown are the {len(shown)} lowest of {len(accuracy_of):,}." if left else ""
    lowest = min(known, key=known.__getitem__, default="")
    more = f"; the lowest is {one_line(lowest)} with {percent_text(known[lowest])}" if known else ""
    return Figure(
        "classes",
        "Accuracy per class",
        f"Share of each class's {each}s that is classified correctly{more}.{of_all}",
        data,
        layout,
    )


def _traffic(rounds: Sequence[RoundResult]) -> Figure:
    up, down = [r.bytes_up for r in rounds], [r.bytes_down for r in rounds]
    return Figure(
        "traffic",
        "Bytes per round",
        f"All sites together: {bytes_text(sum(up))} up (updates) and {bytes_text(sum(down))} down"
        f" (parameters) over the run.",
        [
            line(rounds, up, "up", BLUE, "%{y:.3s}B up"),
            line(rounds, down, "down", GREEN, "%{y:.3s}B down", dash="dot"),
        ],
        over_rounds(rounds, {"rangemode": "tozero", "tickformat": "~s", "ticksuffix": "B"}),
    )


def _seconds(rounds: Sequence[RoundResult]) -> Figure:
    values = [result.seconds for result in rounds]
    return Figure(
        "seconds",
        "Seconds per round",
        f"From the first instruction to the new global model: {seconds_text(median(values))} in"
        f" the median round.",
        [line(rounds, values, "seconds", BLUE, "%{y:.3g} s")],
        over_rounds(rounds, {"rangemode": "tozero"}),
    )


def _answers(rounds: Sequence[RoundResult]) -> Figure:
    reasons = sorted({reason for result in rounds for reason in result.refusals})
    parts = {"update": [r.updates for r in rounds]}
    parts |= {f"refused: {why}": [r.refusals.get(why, 0) for r in rounds] for why in reasons}
    parts["error"] = [result.errors for result in rounds]
    data = [
        {"type": "bar", "x": [r.round for r in rounds], "y": counts, "name": safe(name),
         "marker": {"color": SERIES[at % len(SERIES)]}}
        for at, (name, counts) in enumerate(parts.items()) if any(counts)
    ]  # fmt: skip
    layout = over_rounds(rounds, {"rangemode": "tozero"})
    total = ", ".join(f"{name} {sum(counts):,}" for name, counts in parts.items() if any(counts))
    says = f"Replies of the sampled sites, over all rounds: {total}."
    return Figure("answers", "Replies per round", says, data, layout | {"barmode": "stack"})
