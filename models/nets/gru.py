"""A recurrent network over time: Opacus' gated recurrent unit, which supports DP."""

import torch
from opacus.layers import DPGRU
from torch import nn

from fl_common.configuration.rules import require, whole
from fl_common.vocabulary import Task
from models.fronts import AveragesOverTime, Normalise
from models.kinds import kind_of
from models.nets import Net
from models.parts.layers import series_shape


class Gru(Net):
    """A gated recurrent unit of ``hidden`` states, averaged over time; then one linear layer.

    Each step sees the mean of ``readings`` consecutive readings: a loop over single readings is
    slow and gradients vanish.

    Raises:
        InvalidConfiguration: windows that are not series, or an option out of range.
    """

    def __init__(self, task: Task, *, hidden: int, readings: int) -> None:
        length, channels = series_shape(task, "gru")
        require("net.hidden", hidden, whole(1))
        require("net.readings", readings, whole(1, length))
        unit = DPGRU(channels, hidden, batch_first=True)
        super().__init__(
            nn.Sequential(Normalise(task), AveragesOverTime(readings)),
            nn.Sequential(MeanState(unit), nn.Linear(hidden, kind_of(task).outputs)),
        )


class MeanState(nn.Module):
    """Series (N, T, C) to the mean over time of a recurrent unit's states (N, hidden)."""

    def __init__(self, unit: nn.Module) -> None:
        super().__init__()
        self.unit = unit

    def forward(self, values_NTC: torch.Tensor) -> torch.Tensor:
        """Mean states (N, hidden)."""
        states_NTH: torch.Tensor = self.unit(values_NTC)[0]
        return states_NTH.mean(1)

    def exportable(self) -> "MeanState":
        """The same function with torch's own GRU: one ONNX operator, not a loop unrolled."""
        weights = self.unit.state_dict()
        hidden, channels = weights["weight_hh_l0"].shape[1], weights["weight_ih_l0"].shape[1]
        unit = nn.GRU(channels, hidden, batch_first=True)
        unit.load_state_dict(weights)
        return MeanState(unit)
