"""Evaluation in large batches: one forward pass over prepared windows."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from fl_common.vocabulary import Parameters, Task, Windows
from models.kinds import TaskKind, kind_of
from models.kinds.guesses import Guess
from models.nets import Net, load_parameters
from models.parts.frozen import FrozenLayers, frozen_layers

_BATCH = 1024
_FIXED = 64


@dataclass(frozen=True)
class Predictions:
    """``truth_N`` and ``predicted_N`` (N, ...) as ``kind`` has them, and each window's loss."""

    kind: TaskKind
    truth_N: NDArray[Any]
    predicted_N: NDArray[Any]
    loss_N: NDArray[np.float32]

    @property
    def loss(self) -> float:
        """The mean loss of a window."""
        return float(self.loss_N.mean(dtype=np.float64))

    @cached_property
    def sums(self) -> NDArray[Any]:
        """From which the measures follow; counts of each label, of labels."""
        return self.kind.sums(self.truth_N, self.predicted_N)

    @cached_property
    def guess(self) -> Guess:
        """What needs no window, on the same windows."""
        guessed_N = self.kind.guessed(self.truth_N)
        return Guess(self.kind.guess, self.kind.measured(self.kind.sums(self.truth_N, guessed_N)))

    @cached_property
    def measures(self) -> Mapping[str, float]:
        """The kind's measures by name."""
        return self.kind.measured(self.sums)


class Evaluator:
    """Evaluates many parameter sets of one net on one set of windows; the front end runs once.

    So do frozen layers with which the body begins, as long as they have the same parameters.
    ``fixed``: all batches have the same number of rows, the last one's filled with zeros, so that
    no window's rounding depends on how many windows there are. It takes longer.
    """

    def __init__(self, net: Net, windows: Windows, task: Task, *, fixed: bool = False) -> None:
        self._net, self._kind = net.eval(), kind_of(task)
        self._truth_N, self._batch = windows.labels, _FIXED if fixed else _BATCH
        self._targets_N = torch.from_numpy(self._kind.targets(windows.labels))
        with torch.inference_mode():
            values = torch.from_numpy(windows.values)
            if fixed:
                filling = values.new_zeros((-len(values) % _FIXED, *values.shape[1:]))
                values = torch.cat([values, filling])
            self._inputs = torch.cat([net.front(part) for part in values.split(self._batch)])
        self._frozen = frozen_layers(net.body, self._inputs.shape[1:])
        self._past: tuple[bytes, torch.Tensor] | None = None
        self._values_N = torch.from_numpy(windows.values)

    def __call__(self, parameters: Parameters) -> Predictions:
        """Predictions of the net with ``parameters`` on all windows."""
        load_parameters(self._net, parameters)
        inputs, body = self._inputs, self._net.body
        if self._frozen is not None:
            inputs, body = self._past_frozen(self._frozen, parameters), self._frozen.rest
        all_N = (inputs, self._targets_N, self._values_N)
        batches = zip(*(each.split(self._batch) for each in all_N), strict=True)
        with torch.inference_mode():  # of many labels, the outputs of all windows fill the memory
            judged = [self._judged(body, *batch) for batch in batches]
        loss_N, predicted_N = (torch.cat(column).numpy() for column in zip(*judged, strict=True))
        return Predictions(self._kind, self._truth_N, predicted_N, loss_N)

    def _past_frozen(self, layers: FrozenLayers, parameters: Parameters) -> torch.Tensor:
        digest = layers.digest(parameters)
        if self._past is None or self._past[0] != digest:
            self._past = digest, layers(self._inputs, parameters)
        return self._past[1]

    def _judged(
        self, body: nn.Module, inputs: torch.Tensor, targets_B: torch.Tensor, values_B: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The losses and predictions of a batch, which may end in zeros without a target."""
        outputs_BD = body(inputs)[: len(targets_B)]
        predicted_B = self._kind.predicted(outputs_BD, values_B)
        return self._kind.losses(outputs_BD, targets_B), predicted_B
