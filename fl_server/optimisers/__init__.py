"""From the mean change of a round to the next global parameters: pure functions.

The mean change stands for a negative gradient (Reddi et al. 2021, "Adaptive Federated
Optimization", algorithm 2). Each optimiser is a frozen value. Its state between rounds is a set of
named slots, each shaped like the parameters, so that a checkpoint stores any optimiser's state in
the same way. Everything is float32. A step that overflows float32 raises RunFailed.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from fl_common.errors import RunFailed
from fl_common.params import is_finite
from fl_common.vocabulary import Parameters

__all__ = [
    "ServerOptimiser",
    "State",
    "checked",
    "filled",
    "quiet",
]

State = Mapping[str, Parameters]
"""Named slots of an optimiser; empty for a stateless one."""


class ServerOptimiser(Protocol):
    """Applies mean changes to global parameters."""

    def initial(self, parameters: Parameters) -> State:
        """The state before the first round."""
        ...

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """The next parameters and state; the arguments are not modified.

        Raises:
            RunFailed: the step overflows float32.
        """
        ...


def checked(parameters: Parameters, state: State) -> tuple[Parameters, State]:
    """Both as arrays (numpy returns scalars for arrays without axes), if they are finite."""
    if not all(is_finite(part) for part in (parameters, *state.values())):
        raise RunFailed(
            "the server optimiser's step overflowed: the mean change of this round is too large"
            " (lower strategy.optimiser.learning_rate or training.learning_rate)"
        )
    return _arrays(parameters), {slot: _arrays(part) for slot, part in state.items()}


def _arrays(parameters: Parameters) -> Parameters:
    return {name: np.asarray(x) for name, x in parameters.items()}


def quiet() -> np.errstate:
    """``checked`` detects overflow, so numpy need not warn about it."""
    return np.errstate(over="ignore", invalid="ignore")


def filled(parameters: Parameters, value: float) -> Parameters:
    """Parameters of the same names and shapes, all of ``value``, float32."""
    return {name: np.full(x.shape, value, dtype=np.float32) for name, x in parameters.items()}
