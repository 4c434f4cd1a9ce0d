"""The one chart: sites from the worst to the best, under each way to learn."""

import numpy as np

from simulate.baselines.comparison import Comparison, Way, worst_count
from simulate.report.plots import BLUE, GREEN, ORANGE, Figure, Trace, layout_of, safe
from simulate.report.wording import one_line, title_text

_LOOKS = ((ORANGE, "solid", "square"), (BLUE, "solid", "circle"), (GREEN, "dot", "diamond"))
_MOST_POINTS, _DOTTED = 400, 60


def chart(compared: Comparison) -> Figure:
    """The figure at each site by its rank; the worst tenth is shaded, with its difference."""
    lines = [_line(compared, way, *look) for way, look in zip(compared.ways, _LOOKS, strict=True)]
    said, worst = compared.figures, 100 * worst_count(len(compared.sites)) / len(compared.sites)
    layout = layout_of(
        xaxis={"title": "sites, from the worst to the best", "range": [0, 100], "ticksuffix": "%"},
        yaxis=said.axis(min(min(way.values) for way in compared.ways)),
        height=440,
    )
    layout["shapes"] = [
        {"type": "rect", "xref": "x", "yref": "paper", "x0": 0, "x1": worst, "y0": 0, "y1": 1,
         "fillcolor": "rgba(122,130,140,0.16)", "line": {"width": 0}}
    ]  # fmt: skip
    change = said.change(compared.worst_change)
    layout["annotations"] = [
        {"text": safe(f"worst tenth: federating {change}"), "xref": "x",
         "yref": "paper", "x": worst, "y": 0.02, "xanchor": "left", "yanchor": "bottom",
         "xshift": 6, "showarrow": False}
    ]  # fmt: skip
    title = one_line(title_text(compared.measure))
    return Figure(
        "ways",
        f"{title} at the sites, from the worst to the best",
        f"{title} on {compared.judged_on}, each line with its own order of the sites. In the mean:"
        f" {_means(compared)}. The worst tenth is shaded: federating changes it by {change}.",
        lines,
        layout,
    )


def _means(compared: Comparison) -> str:
    return ", ".join(f"{way.name} {compared.figures.value(way.mean)}" for way in compared.ways)


def _line(compared: Comparison, way: Way, colour: str, dash: str, symbol: str) -> Trace:
    """A step for each site; of many sites some."""
    ordered, said = compared.from_worst(way), compared.figures
    count = len(ordered)
    chosen = np.unique(np.linspace(0, count - 1, min(count, _MOST_POINTS)).round().astype(int))
    middles = 100 * (chosen + 0.5) / count
    return {
        "type": "scatter", "name": safe(f"{way.name} ({said.value(way.mean)})"),
        "x": middles.tolist(), "y": np.array(ordered)[chosen].tolist(),
        "mode": "lines+markers" if count <= _DOTTED else "lines",
        "line": {"color": colour, "width": 2.5, "dash": dash},
        "marker": {"size": 7, "symbol": symbol},
        "hovertemplate": f"{way.name}: {said.hover}<extra></extra>",
    }  # fmt: skip
