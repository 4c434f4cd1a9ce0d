"""Figures of a task that forecasts: the error by channel and by step, and some forecasts."""

import numpy as np

from fl_common.vocabulary import Task
from models.kinds.forecast import of_channels, of_steps
from simulate.report.plots import BLUE, GREY, ORANGE, Figure, Trace, bars, layout_of, safe
from simulate.report.results import Outcome
from simulate.report.wording import one_line, share_text

_MOST_CHANNELS = 30
_CHANNELS_DRAWN = 3


def errors_of_channels(task: Task, outcome: Outcome) -> Figure:
    """The error of each channel as a share of the last reading's; the worst, where there are many.

    A channel whose last reading always stays has no bar.
    """
    found = of_channels(task.channels, outcome.sums)
    units = dict(zip(task.channels, task.units, strict=True))
    known = {name: each for name, each in found.items() if each["of_last"] is not None}
    worst = sorted(known.items(), key=lambda item: -(item[1]["of_last"] or 0.0))[:_MOST_CHANNELS]
    shares = {name: each["of_last"] or 0.0 for name, each in worst[::-1]}
    data, layout = bars(shares, share_text, {"rangemode": "tozero"})
    data[0]["text"] = [
        f"{share_text(share)}: {_number(found[name]['mae'], units[name])},"
        f" the last reading {_number(found[name]['mae_of_last'], units[name])}"
        for name, share in shares.items()
    ]
    more = f" The {_MOST_CHANNELS} worst are shown." if len(known) > _MOST_CHANNELS else ""
    return Figure(
        "channels",
        "Error per channel",
        "Mean absolute error as a share of the error of who says that the last reading stays: 1 is"
        f" no better than that.{more}",
        data,
        layout,
    )


def errors_of_steps(outcome: Outcome) -> Figure:
    """How the error grows with the distance, beside that of the last reading."""
    model_H, last_H = of_steps(outcome.sums)
    steps = list(range(1, len(model_H) + 1))
    ends = f"{share_text(model_H[0])} at the first, {share_text(model_H[-1])} at the last"
    return Figure(
        "steps",
        "Error by steps ahead",
        f"Mean absolute error at each step: {ends}. Of who says that the last reading stays the"
        " mean error is 1, in each channel.",
        [
            _curve(steps, model_H, "the model", BLUE, "solid"),
            _curve(steps, last_H, "the last reading stays", GREY, "dash"),
        ],
        layout_of(
            xaxis={"title": "steps ahead", "range": [0.5, len(steps) + 0.5]},
            yaxis={"rangemode": "tozero", "title": "error"},
        ),
    )


def forecasts_beside_truth(task: Task, outcome: Outcome) -> list[Figure]:
    """Some windows of the test set, their forecasts, and what came; a figure for each channel."""
    return [
        _of_channel(task, outcome, channel)
        for channel in range(min(_CHANNELS_DRAWN, len(task.channels)))
    ]


def _of_channel(task: Task, outcome: Outcome, channel: int) -> Figure:
    """The windows one after the other; each keeps its own shape, with a gap between them."""
    past_MT, came_MH, told_MH = (each[:, channel] for each in outcome.forecasts)
    length, horizon = past_MT.shape[1], came_MH.shape[1]
    apart = length + horizon + max(2, length // 8)
    data: list[Trace] = []
    for place in range(len(past_MT)):
        begin, is_first = place * apart, place == 0
        after = [begin + length - 1 + step for step in range(horizon + 1)]
        last = past_MT[place, -1:]
        pieces = (
            ("the window", range(begin, begin + length), past_MT[place], GREY, "solid"),
            ("what came", after, np.concatenate([last, came_MH[place]]), BLUE, "solid"),
            ("the forecast", after, np.concatenate([last, told_MH[place]]), ORANGE, "dash"),
        )
        data += [
            _curve([*x], y, name, colour, dash) | {"showlegend": is_first, "legendgroup": name}
            for name, x, y, colour, dash in pieces
        ]
    name, unit = task.channels[channel], task.units[channel]
    title = safe(one_line(name) + (f", {one_line(unit)}" if unit != "1" else ""))
    return Figure(
        f"forecasts-{channel}",
        f"Some forecasts of {one_line(name)}",
        f"{len(past_MT)} windows of the test set, evenly spaced, with the next {horizon} readings:"
        " what came, and what was told before.",
        data,
        layout_of(
            xaxis={"showticklabels": False, "showgrid": False, "title": "readings"},
            yaxis={"title": title},
            height=360,
        ),
    )


def _curve(x: list[int], y: np.ndarray, name: str, colour: str, dash: str) -> Trace:
    return {
        "type": "scatter", "mode": "lines", "x": x, "y": np.asarray(y, np.float64).tolist(),
        "name": name, "line": {"color": colour, "width": 2, "dash": dash},
        "hovertemplate": f"{name}: %{{y:.4g}}<extra></extra>",
    }  # fmt: skip


def _number(value: float | None, unit: str) -> str:
    return f"{value:.4g}" + (f" {safe(one_line(unit))}" if unit != "1" else "")
