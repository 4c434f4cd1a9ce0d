"""From the mean change of a round to the next global parameters: pure functions.

The mean change stands for a negative gradient (Reddi et al. 2021, "Adaptive Federated
Optimization", algorithm 2). Each optimiser is a frozen value; what it remembers between rounds is
a state of named slots, each shaped like the parameters, so that a checkpoint stores any of them
alike. Everything is float32. A step that leaves the numbers of float32 raises RunFailed.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from fl_common.errors import RunFailed
from fl_common.params import is_finite
from fl_common.vocabulary import Floats, Parameters
from fl_server.checks import check_number

State = Mapping[str, Parameters]
"""Named slots of an optimiser; empty for one that remembers nothing."""


class ServerOptimiser(Protocol):
    """Applies mean changes to global parameters."""

    def initial(self, parameters: Parameters) -> State:
        """The state before the first round."""
        ...

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """The next parameters and state; the arguments are left as they are.

        Raises:
            RunFailed: the step overflows float32.
        """
        ...


@dataclass(frozen=True)
class FedAvg:
    """``x + learning_rate * delta`` (McMahan et al. 2017; a learning rate of 1 is plain FedAvg)."""

    learning_rate: float

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)

    def initial(self, parameters: Parameters) -> State:
        """Remembers nothing."""
        return {}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        with _quiet():
            moved = {n: x + self.learning_rate * delta[n] for n, x in parameters.items()}
        return _checked(moved, {})


@dataclass(frozen=True)
class FedAvgM:
    """Server momentum (Hsu et al. 2019, section 4.3): ``v = momentum * v + delta``, ``x + lr * v``.

    In the long run a step is 1 / (1 - momentum) times as long as FedAvg's.
    """

    learning_rate: float
    momentum: float

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_decay("momentum", self.momentum)

    def initial(self, parameters: Parameters) -> State:
        """Slot ``velocity``, all zero."""
        return {"velocity": _filled(parameters, 0.0)}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        with _quiet():
            velocity = {n: self.momentum * v + delta[n] for n, v in state["velocity"].items()}
            moved = {n: x + self.learning_rate * velocity[n] for n, x in parameters.items()}
        return _checked(moved, {"velocity": velocity})


@dataclass(frozen=True)
class _Adaptive:
    """What FedAdam and FedYogi share: Reddi et al. 2021, algorithm 2, without bias correction.

    ``m = beta1 * m + (1 - beta1) * delta``, ``x + learning_rate * m / (sqrt(v) + tau)``; ``v``
    starts at ``tau ** 2``, the least that the algorithm allows. A larger ``tau`` adapts less.
    """

    learning_rate: float
    beta1: float
    beta2: float
    tau: float

    def __post_init__(self) -> None:
        _check_positive("learning_rate", self.learning_rate)
        _check_decay("beta1", self.beta1)
        _check_decay("beta2", self.beta2)
        check_number(
            "strategy.optimiser.tau",
            self.tau,
            lambda tau: 1e-18 <= tau < math.inf,
            "must be a finite number of at least 1e-18 (its square must not vanish in float32)",
        )

    def initial(self, parameters: Parameters) -> State:
        """Slots ``first_moment``, zero, and ``second_moment``, ``tau ** 2``."""
        return {
            "first_moment": _filled(parameters, 0.0),
            "second_moment": _filled(parameters, self.tau**2),
        }

    def _step(
        self,
        parameters: Parameters,
        delta: Parameters,
        state: State,
        second_moment: Callable[[Floats, Floats], Floats],
    ) -> tuple[Parameters, State]:
        with _quiet():
            first = {
                n: self.beta1 * m + (1 - self.beta1) * delta[n]
                for n, m in state["first_moment"].items()
            }
            second = {
                n: second_moment(v, np.square(delta[n])) for n, v in state["second_moment"].items()
            }
            moved = {n: self._moved(x, first[n], second[n]) for n, x in parameters.items()}
        return _checked(moved, {"first_moment": first, "second_moment": second})

    def _moved(self, x: Floats, first: Floats, second: Floats) -> Floats:
        """``x + learning_rate * first / (sqrt(second) + tau)``, all of it in one new array."""
        moved: Floats = np.asarray(np.sqrt(second))
        moved += self.tau
        np.divide(first, moved, out=moved)
        moved *= self.learning_rate
        moved += x
        return moved


@dataclass(frozen=True)
class FedAdam(_Adaptive):
    """Reddi et al. 2021, algorithm 2: ``v = beta2 * v + (1 - beta2) * delta ** 2``."""

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        return self._step(
            parameters, delta, state, lambda v, square: self.beta2 * v + (1 - self.beta2) * square
        )


@dataclass(frozen=True)
class FedYogi(_Adaptive):
    """Reddi et al. 2021, algorithm 2: ``v = v - (1 - beta2) * delta ** 2 * sign(v - delta ** 2)``.

    Its ``v`` falls more slowly than FedAdam's after large changes.
    """

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        return self._step(
            parameters,
            delta,
            state,
            lambda v, square: v - (1 - self.beta2) * square * np.sign(v - square),
        )


def _checked(parameters: Parameters, state: State) -> tuple[Parameters, State]:
    """Both as arrays (numpy makes scalars of arrays without axes), if they are finite."""
    if not all(is_finite(part) for part in (parameters, *state.values())):
        raise RunFailed(
            "the server optimiser's step overflowed: the mean change of this round is too large"
            " (lower strategy.optimiser.learning_rate or training.learning_rate)"
        )
    return _arrays(parameters), {slot: _arrays(part) for slot, part in state.items()}


def _arrays(parameters: Parameters) -> Parameters:
    return {name: np.asarray(x) for name, x in parameters.items()}


def _quiet() -> np.errstate:
    """Overflow is found by ``_checked``; numpy need not warn of it as well."""
    return np.errstate(over="ignore", invalid="ignore")


def _filled(parameters: Parameters, value: float) -> Parameters:
    return {name: np.full(x.shape, value, dtype=np.float32) for name, x in parameters.items()}


def _check_positive(name: str, value: float) -> None:
    check_number(
        f"strategy.optimiser.{name}",
        value,
        lambda number: 0 < number < math.inf,
        "must be a finite number above 0",
    )


def _check_decay(name: str, value: float) -> None:
    check_number(
        f"strategy.optimiser.{name}", value, lambda number: 0 <= number < 1, "must lie in [0, 1)"
    )
