"""The one chart: sites from the worst to the best, under each way to learn."""

import numpy as np

from simulate.baselines.comparison import Comparison, Way, worst_count
from simulate.report.plots import BLUE, GREEN, ORANGE, Figure, Trace, layout_of
from simulate.report.wording import percent_text, points_text

_LOOKS = ((ORANGE, "solid", "square"), (BLUE, "solid", "circle"), (GREEN, "dot", "diamond"))
_MOST_POINTS, _DOTTED = 400, 60


def chart(compared: Comparison) -> Figure:
    """The accuracy at each site by its rank; the worst tenth is shaded, with its difference."""
    lines = [_line(way, *look) for way, look in zip(compared.ways, _LOOKS, strict=True)]
    worst = 100 * worst_count(len(compared.sites)) / len(compared.sites)
    lowest = min(min(way.accuracies) for way in compared.ways)
    layout = layout_of(
        xaxis={"title": "sites, from the worst to the best", "range": [0, 100], "ticksuffix": "%"},
        yaxis={"tickformat": ".0%", "range": [max(0.0, lowest - 0.05), 1.02]},
        height=440,
    )
    layout["shapes"] = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": 0, "x1": worst, "y0": 0, "y1": 1,
         "fillcolor": "rgba(122,130,140,0.16)", "line": {"width": 0}}
    ]  # fmt: skip
    layout["annotations"] = [
        {"text": f"worst tenth: federating {points_text(compared.worst_gain)}", "xref": "x",
         "yref": "paper", "x": worst, "y": 0.02, "xanchor": "left", "yanchor": "bottom",
         "xshift": 6, "showarrow": False}
    ]  # fmt: skip
    return Figure(
        "ways",
        "Accuracy at the sites, from the worst to the best",
        f"Share of {compared.judged_on} that is classified correctly, each line with its own order"
        f" of the sites. In the mean: {_means(compared)}. The worst tenth is shaded: federating"
        f" changes it by {points_text(compared.worst_gain)}.",
        lines,
        layout,
    )


def _means(compared: Comparison) -> str:
    return ", ".join(f"{way.name} {percent_text(way.mean)}" for way in compared.ways)


def _line(way: Way, colour: str, dash: str, symbol: str) -> Trace:
    """A step for each site; of many sites some."""
    ordered = np.sort(way.accuracies)
    count = len(ordered)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))
    middles = 100 * (chosen + 0.5) / count
    return {
        "type": "scatter", "name": f"{way.name} ({percent_text(way.mean)})",
        "x": middles.tolist(), "y": ordered[chosen].tolist(),
        "mode": "lines+markers" if count <= _DOTTED else "lines",
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "marker": {"size": 7, "symbol": symbol},
        "hovertemplate": f"{way.name}: %{{y:.1%}}<extra></extra>",
    }  # fmt: skip
