"""Evaluation in large batches: one forward pass over prepared windows."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fl_common.vocabulary import Integers, Parameters, Windows
from models.nets import Net, load_parameters

_BATCH = 1024
_FIXED = 64


@dataclass(frozen=True)
class Predictions:
    """``predicted_N`` and ``truth_N`` are label indices, ``loss_N`` cross-entropy in nats."""

    truth_N: Integers
    predicted_N: Integers
    loss_N: NDArray[np.float32]
    labels: int

    @property
    def accuracy(self) -> float:
        """Share of windows predicted correctly."""
        return float((self.truth_N == self.predicted_N).mean())

    @property
    def loss(self) -> float:
        """Mean cross-entropy in nats."""
        return float(self.loss_N.mean(dtype=np.float64))

    def confusion_KK(self) -> Integers:
        """Counts (K, K): rows are the truth, columns the prediction."""
        cells = self.truth_N * self.labels + self.predicted_N
        return np.bincount(cells, minlength=self.labels**2).reshape(self.labels, self.labels)


class Evaluator:
    """Evaluates many parameter sets of one net on one set of windows; the front end runs once.

    ``fixed``: all batches have the same number of rows, the last one's filled with zeros, so that
    no window's rounding depends on how many windows there are. It takes longer.
    """

    def __init__(self, net: Net, windows: Windows, labels: int, *, fixed: bool = False) -> None:
        self._net = net.eval()
        self._labels, self._batch = labels, _FIXED if fixed else _BATCH
        self._truth_N = torch.from_numpy(windows.labels)
        with torch.inference_mode():
            values = torch.from_numpy(windows.values)
            if fixed:
                filling = values.new_zeros((-len(values) % _FIXED, *values.shape[1:]))
                values = torch.cat([values, filling])
            self._inputs = torch.cat([net.front(part) for part in values.split(self._batch)])

    def __call__(self, parameters: Parameters) -> Predictions:
        """Predictions of the net with ``parameters`` on all windows."""
        load_parameters(self._net, parameters)
        with torch.inference_mode():
            logits = torch.cat([self._net.body(part) for part in self._inputs.split(self._batch)])
            logits = logits[: len(self._truth_N)]
            loss_N = functional.cross_entropy(logits, self._truth_N, reduction="none")
            predicted_N = logits.argmax(1)
        return Predictions(self._truth_N.numpy(), predicted_N.numpy(), loss_N.numpy(), self._labels)
