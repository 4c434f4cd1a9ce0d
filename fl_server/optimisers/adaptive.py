"""FedAdam and FedYogi: a step size for each parameter (Reddi et al. 2021)."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fl_common.configuration.rules import above, inside, number, require_fields
from fl_common.vocabulary import Floats, Parameters
from fl_server.optimisers import State, checked, filled, quiet


@dataclass(frozen=True)
class _Adaptive:
    """What FedAdam and FedYogi share: Reddi et al. 2021, algorithm 2, without bias correction.

    ``m = beta1 * m + (1 - beta1) * delta``, ``x + learning_rate * m / (sqrt(v) + tau)``; ``v``
    starts at ``tau ** 2``, the minimum that the algorithm allows. A larger ``tau`` adapts less.
    """

    learning_rate: float
    beta1: float
    beta2: float
    tau: float

    def __post_init__(self) -> None:
        require_fields(
            "strategy.optimiser",
            self,
            learning_rate=above(0),
            beta1=inside("[0, 1)"),
            beta2=inside("[0, 1)"),
            tau=number(
                "must be a finite number of at least 1e-18 (its square must not vanish in float32)",
                lambda tau: 1e-18 <= tau < math.inf,
            ),
        )

    def initial(self, parameters: Parameters) -> State:
        """Slots ``first_moment``, zero, and ``second_moment``, ``tau ** 2``."""
        return {
            "first_moment": filled(parameters, 0.0),
            "second_moment": filled(parameters, self.tau**2),
        }

    def _step(
        self,
        parameters: Parameters,
        delta: Parameters,
        state: State,
        second_moment: Callable[[Floats, Floats], Floats],
    ) -> tuple[Parameters, State]:
        with quiet():
            first = {
                n: self.beta1 * m + (1 - self.beta1) * delta[n]
                for n, m in state["first_moment"].items()
            }
            second = {
                n: second_moment(v, np.square(delta[n])) for n, v in state["second_moment"].items()
            }
            moved = {n: self._moved(x, first[n], second[n]) for n, x in parameters.items()}
        return checked(moved, {"first_moment": first, "second_moment": second})

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
