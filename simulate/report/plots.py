"""Pieces of figures as plotly describes them: lines, bars, axes.

Colours are of Okabe and Ito (2008), which the colour-blind can tell apart; the one for data is a
little darker, so that white reads on it, and it on white and on black.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulate.report.results import RoundResult
from simulate.report.wording import one_line, percent_text

BLUE, ORANGE, GREEN, GREY = "#2f7ab9", "#d55e00", "#009e73", "#7a828c"
SERIES = (BLUE, ORANGE, "#e69f00", "#cc79a7", "#f0e442", GREEN, "#56b4e9", GREY)
"""Colours of parts that are stacked, the most usual first."""
_FEW_ROUNDS = 60
"""Up to here each round is a dot."""
_TICK_LETTERS = 18
_BAR_HEIGHT = 26
_FEW, _THIN = 4, 0.3
"""Of fewer names than this each bar is as thin, or one would fill the figure."""

Trace = dict[str, Any]
AxesLayout = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure: ``name`` is its id, ``says`` its content in words, for who can't see it."""

    name: str
    title: str
    says: str
    data: Sequence[Trace]
    layout: AxesLayout


def line(
    rounds: Sequence[RoundResult],
    values: Sequence[float | None],
    name: str,
    colour: str,
    hover: str,
    dash: str = "solid",
) -> Trace:
    """``values`` over rounds; a value that is None is a gap. ``hover`` is plotly's template."""
    return {
        "type": "scatter", "name": name, "x": [result.round for result in rounds],
        "y": list(values),
        "mode": "lines+markers" if len(rounds) <= _FEW_ROUNDS else "lines",
        "line": {"color": colour, "width": 2, "dash": dash}, "marker": {"size": 5},
        "hovertemplate": hover + "<extra></extra>",
    }  # fmt: skip


_SHARES: Mapping[str, Any] = {"range": [0, 1.02], "tickformat": ".0%"}


def bars(
    value_of: Mapping[str, float],
    told: Callable[[float], str] = percent_text,
    xaxis: Mapping[str, Any] = _SHARES,
) -> tuple[list[Trace], AxesLayout]:
    """One bar for each name, the last one on top; ``told`` is a value in words."""
    names, values = list(value_of), list(value_of.values())
    bars: Trace = {
        "type": "bar", "orientation": "h", "x": values, "y": list(range(len(names))),
        "marker": {"color": BLUE}, "text": [safe(told(value)) for value in values],
        **({"width": _THIN} if len(names) < _FEW else {}),
        "textposition": "auto", "insidetextanchor": "start", "textangle": 0,
        "insidetextfont": {"color": "#fff"}, "outsidetextfont": {"color": GREY},
        "customdata": [safe(name) for name in names],
        "hovertemplate": "%{customdata}: %{text}<extra></extra>",
    }  # fmt: skip
    ticks = {"tickvals": list(range(len(names))), "ticktext": [tick(name) for name in names]}
    layout = layout_of(
        xaxis=xaxis,
        yaxis={**ticks, "showgrid": False, "ticklabelstandoff": 6},
        height=max(300, 70 + _BAR_HEIGHT * len(names)),
    )
    return [bars], layout


def strip(share_of: Mapping[str, float]) -> tuple[list[Trace], AxesLayout]:
    """A box, and over it a dot for each name."""
    box: Trace = {
        "type": "box", "x": list(share_of.values()), "text": [safe(name) for name in share_of],
        "boxpoints": "all", "jitter": 0.7, "pointpos": 0, "name": "", "line": {"color": GREY},
        "fillcolor": "rgba(0,0,0,0)", "marker": {"color": BLUE, "size": 5, "opacity": 0.6},
        "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
    }  # fmt: skip
    axis = {"tickformat": ".0%", "range": [max(0, min(share_of.values()) - 0.05), 1.02]}
    return [box], layout_of(xaxis=axis, yaxis={"showticklabels": False})


def histogram(shares: Sequence[float]) -> tuple[list[Trace], AxesLayout]:
    """The number of sites in each fiftieth of the scale; as large for a million as for ten."""
    counts, edges = np.histogram(shares, bins=50, range=(0, 1))
    bars: Trace = {
        "type": "bar", "x": ((edges[:-1] + edges[1:]) / 2).tolist(), "y": counts.tolist(),
        "marker": {"color": BLUE}, "hovertemplate": "about %{x:.0%}: %{y} sites<extra></extra>",
    }  # fmt: skip
    axis = {"tickformat": ".0%", "range": [0, 1]}
    return [bars], layout_of(xaxis=axis, yaxis={"title": "sites"}) | {"bargap": 0.05}


def over_rounds(rounds: Sequence[RoundResult], yaxis: Mapping[str, Any]) -> AxesLayout:
    """The layout of a figure whose horizontal axis counts rounds."""
    first, last = rounds[0].round, rounds[-1].round
    margin = max(0.5, 0.02 * (last - first))
    xaxis: dict[str, Any] = {"title": "round", "range": [first - margin, last + margin]}
    if last - first < 12:
        xaxis["dtick"] = 1
    return layout_of(xaxis=xaxis, yaxis=yaxis) | {"hovermode": "x"}


def layout_of(xaxis: Mapping[str, Any], yaxis: Mapping[str, Any], height: int = 300) -> AxesLayout:
    """What all figures share. Text and lines get their colours from the page's style sheet."""
    common = {"fixedrange": True, "automargin": True, "zeroline": False, "ticks": ""}
    return {
        "height": height,
        "margin": {"l": 16, "r": 14, "t": 14, "b": 16},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "hoverlabel": {"bgcolor": "#20242a", "bordercolor": "#20242a", "font": {"color": "#fff"}},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "dragmode": False,
        "xaxis": {**common, **_titled(xaxis)},
        "yaxis": {**common, **_titled(yaxis)},
    }


def _titled(axis: Mapping[str, Any]) -> dict[str, Any]:
    """``axis`` with its title, if it has one, as plotly wants it."""
    title = {"text": axis.get("title", ""), "font": {"size": 13}, "standoff": 8}
    return {**axis, "title": title}


def dashed(**ends: Any) -> dict[str, Any]:
    """A dashed line between ``ends``, for a limit or a median."""
    return {"type": "line", "line": {"color": GREY, "width": 1.5, "dash": "dash"}, **ends}


def tick(name: str) -> str:
    """A name short enough to stand at an axis."""
    name = one_line(name)
    return safe(name if len(name) <= _TICK_LETTERS else name[: _TICK_LETTERS - 1] + "…")


def safe(name: str) -> str:
    """A name in which plotly, that knows some tags, finds none."""
    return html.escape(one_line(name), quote=False)
