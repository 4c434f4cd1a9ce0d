"""FedAvg and FedAvgM: the mean change without or with momentum."""

from dataclasses import dataclass

from fl_common.configuration.rules import above, inside, require_fields
from fl_common.vocabulary import Parameters
from fl_server.optimisers import State, checked, filled, quiet


@dataclass(frozen=True)
class FedAvg:
    """``x + learning_rate * delta`` (McMahan et al. 2017; a learning rate of 1 is plain FedAvg)."""

    learning_rate: float

    def __post_init__(self) -> None:
        require_fields("strategy.optimiser", self, learning_rate=above(0))

    def initial(self, parameters: Parameters) -> State:
        """No state."""
        return {}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        with quiet():
            moved = {n: x + self.learning_rate * delta[n] for n, x in parameters.items()}
        return checked(moved, {})


@dataclass(frozen=True)
class FedAvgM:
    """Server momentum (Hsu et al. 2019, section 4.3): ``v = momentum * v + delta``, ``x + lr * v``.

    For a constant delta, a step grows to 1 / (1 - momentum) times FedAvg's.
    """

    learning_rate: float
    momentum: float

    def __post_init__(self) -> None:
        require_fields(
            "strategy.optimiser", self, learning_rate=above(0), momentum=inside("[0, 1)")
        )

    def initial(self, parameters: Parameters) -> State:
        """Slot ``velocity``, all zero."""
        return {"velocity": filled(parameters, 0.0)}

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        with quiet():
            velocity = {n: self.momentum * v + delta[n] for n, v in state["velocity"].items()}
            moved = {n: x + self.learning_rate * velocity[n] for n, x in parameters.items()}
        return checked(moved, {"velocity": velocity})
