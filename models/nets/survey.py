"""A survey: not a network that learns, but what a site counts before one does.

It has the form of a net so that its rounds are those of any run: the same instruction, charge,
clipping, noise and door. A site votes with its windows on bins of each channel's readings
(``fl_common.privacy.quantiles``), which no trainer does: see ``fl_client.training.surveys``.
"""

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from fl_common.configuration.rules import require, whole
from fl_common.privacy.quantiles import BINS, first_edges
from fl_common.vocabulary import Floats, NetSpec, Parameters, Task
from models.kinds import ANOMALY, KINDS
from models.kinds.anomaly import score_edges
from models.nets import Net, build_net

COUNTS, EDGES, FOUND = "counts", "edges", "found"
"""What a site sends; the bins that it counts in; what earlier rounds have found."""

_SCORED = "scored."

KNOWN, ROUGH, NOISY = 1.0, 2.0, 3.0
"""How well a channel's spread is known: as one, as an order of magnitude, or less for the noise."""


class Survey(Net):
    """Votes on the readings of each of C channels.

    ``counts`` (C, BINS) is what an update has. ``edges`` (C, BINS - 1) and ``found`` (C, 3: center,
    spread, and ``KNOWN``, ``ROUGH`` or ``NOISY`` where they are found) are frozen: the server's,
    from noised votes alone.
    """

    kinds = KINDS

    def __init__(self, task: Task) -> None:
        super().__init__(nn.Identity(), _Votes(task.window_shape[task.channel_axis]))


class _Votes(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.counts = nn.Parameter(torch.zeros(channels, BINS))
        edges_CE = torch.from_numpy(first_edges(channels).astype(np.float32))
        self.edges = nn.Parameter(edges_CE, requires_grad=False)
        self.found = nn.Parameter(torch.zeros(channels, 3), requires_grad=False)


class ScoreSurvey(Net):
    """Votes on the scores that a network of ``target`` with ``options`` gives windows.

    ``counts`` (1, bins) is what an update has, on the fixed bins of ``edges``; the network's own
    parameters are frozen: those that a run has ended with.

    Raises:
        InvalidConfiguration: no network that scores windows, or a number of bins out of range.
    """

    kinds = (ANOMALY,)

    def __init__(self, task: Task, *, target: str, options: Mapping[str, Any], bins: int) -> None:
        require("bins", bins, whole(4, 4096))
        scoring = build_net(NetSpec(target, options), task)
        super().__init__(scoring.front, _ScoreVotes(scoring.body, bins))
        self.edges = score_edges(bins)

    def scoring(self) -> Net:
        """The network that scores, with parameters of its own."""
        assert isinstance(self.body, _ScoreVotes)
        return Net(self.front, copy.deepcopy(self.body.scored))


class _ScoreVotes(nn.Module):
    def __init__(self, scored: nn.Module, bins: int) -> None:
        super().__init__()
        self.counts = nn.Parameter(torch.zeros(1, bins))
        self.scored = scored.requires_grad_(False)


def scored_parameters(parameters: Parameters) -> Parameters:
    """Those of the network that a ``ScoreSurvey`` asks about, of the survey's ``parameters``."""
    return {
        name.removeprefix(_SCORED): array
        for name, array in parameters.items()
        if name.startswith(_SCORED)
    }


def survey_parameters(scored: Parameters, bins: int) -> Parameters:
    """Those of a ``ScoreSurvey`` about a network with the parameters ``scored``."""
    begun = {f"{_SCORED}{name}": array for name, array in scored.items()}
    return {COUNTS: np.zeros((1, bins), np.float32), **begun}


def is_survey(net: Net) -> bool:
    """Whether ``net`` is counted, and not trained."""
    return isinstance(net, Survey | ScoreSurvey)


def readings_of(values: Floats, task: Task) -> Floats:
    """Windows (N, *task.window_shape) as (N, readings in a channel, C)."""
    if len(task.window_shape) == 2:
        return values
    readings_NVC: Floats = values.reshape(len(values), task.window_shape[0], -1).swapaxes(1, 2)
    return readings_NVC


def scaled(task: Task, parameters: Parameters) -> Task:
    """``task`` with what a survey has found; a channel that it could not read stays as declared."""
    found_C3 = parameters[FOUND].astype(np.float64)
    center, scale = list(task.center), list(task.scale)
    for channel in np.flatnonzero(found_C3[:, 2] > 0):
        center[channel], scale[channel] = found_C3[channel, :2].tolist()
    return replace(task, center=tuple(center), scale=tuple(scale))


def channels_found(parameters: Parameters) -> tuple[int, int, int]:
    """How many channels it could read, and of how many of them the spread is rough, and noisy."""
    how_well_C = parameters[FOUND][:, 2]
    rough, noisy = (int((how_well_C == how).sum()) for how in (ROUGH, NOISY))
    return int((how_well_C > 0).sum()), rough, noisy
