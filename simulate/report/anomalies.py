"""Figures of a task that scores windows: the scores beside the threshold, and the ROC curve."""

import numpy as np

from fl_common.vocabulary import Doubles
from models.kinds.anomaly import bins_of, measures_of, roc_curve
from simulate.report.plots import BLUE, GREY, ORANGE, Figure, Trace, dashed, layout_of
from simulate.report.results import Outcome
from simulate.report.wording import percent_text, share_text

_BARS = 60
_POINTS = 200
_PLACES = [1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]
_TICKS = {"tickvals": _PLACES, "ticktext": [f"{place:g}" for place in _PLACES]}
"""By itself Plotly writes 0.2 as 2 on such an axis."""


def scores_beside_threshold(outcome: Outcome) -> Figure:
    """How many windows have which score: the normal ones, and those that are anomalous."""
    edges, (normal_B, odd_B) = bins_of(outcome.sums, _BARS)
    seen = np.flatnonzero(normal_B + odd_B)
    shown = slice(max(0, int(seen[0]) - 1), int(seen[-1]) + 2)
    middle = np.sqrt(edges[:-1] * edges[1:])[shown].tolist()
    threshold, found = outcome.threshold, measures_of(outcome.sums)
    data = [_bars(middle, normal_B[shown], "normal", BLUE)]
    if odd_B.any():
        data.append(_bars(middle, odd_B[shown], "anomalous", ORANGE))
    layout = layout_of(
        xaxis={"type": "log", "title": "anomaly score", **_TICKS},
        yaxis={"title": "windows"},
        height=420,
    ) | {"barmode": "overlay", "bargap": 0.02}
    layout["shapes"] = [dashed(x0=threshold, x1=threshold, yref="paper", y0=0, y1=1)]
    alarms, caught = (percent_text(found[name]) for name in ("false_alarms", "found"))
    anomalies = f", and {caught} of the anomalous ones" if odd_B.any() else ""
    return Figure(
        "scores",
        "Scores of the test windows",
        f"Above the threshold of {share_text(threshold)}, the dashed line, lie {alarms} of the"
        f" normal windows{anomalies}.",
        data,
        layout,
    )


def roc(outcome: Outcome) -> Figure:
    """The share of anomalies that are found, for each share of false alarms."""
    alarms, found = roc_curve(outcome.sums)
    kept = _corners(alarms, found)
    reached = measures_of(outcome.sums)
    curve: Trace = {
        "type": "scatter", "mode": "lines", "x": alarms[kept].tolist(), "y": found[kept].tolist(),
        "name": "the model", "line": {"color": BLUE, "width": 2},
        "hovertemplate": "%{x:.1%} false alarms: %{y:.1%} found<extra></extra>",
    }  # fmt: skip
    chance: Trace = {
        "type": "scatter", "mode": "lines", "x": [0, 1], "y": [0, 1], "name": "by chance",
        "line": {"color": GREY, "width": 1.5, "dash": "dash"}, "hoverinfo": "skip",
    }  # fmt: skip
    own: Trace = {
        "type": "scatter", "mode": "markers", "x": [reached["false_alarms"]],
        "y": [reached["found"]], "name": "its threshold", "marker": {"color": ORANGE, "size": 9},
        "hovertemplate": "%{x:.1%} false alarms: %{y:.1%} found<extra>its threshold</extra>",
    }  # fmt: skip
    axis = {"range": [-0.01, 1.02], "tickformat": ".0%"}
    return Figure(
        "roc",
        "Anomalies found for what rate of false alarms (ROC)",
        f"The area under the curve is {share_text(reached['auroc'])}: the share of pairs of an"
        " anomalous and a normal window of which the anomalous one scores higher.",
        [curve, chance, own],
        layout_of(
            xaxis={**axis, "title": "false alarms"},
            yaxis={**axis, "title": "anomalies found"},
            height=420,
        ),
    )


def _bars(middle: list[float], counts_B: Doubles, name: str, colour: str) -> Trace:
    ratio = middle[1] / middle[0]
    return {
        "type": "bar", "x": middle, "y": counts_B.tolist(), "name": name,
        "width": [x * (ratio**0.5 - ratio**-0.5) for x in middle],
        "marker": {"color": colour, "opacity": 0.7},
        "hovertemplate": f"about %{{x:.3g}}: %{{y}} {name}<extra></extra>",
    }  # fmt: skip


def _corners(alarms: Doubles, found: Doubles) -> list[int]:
    """Places where the curve moves, at most about ``_POINTS`` of them."""
    moved = np.flatnonzero(np.diff(alarms) + np.diff(found)) + 1
    step = max(1, len(moved) // _POINTS)
    return [0, *moved[::step].tolist(), len(alarms) - 1]
