"""A server optimiser that makes a model worse, whatever the noise."""

from fl_common.vocabulary import Parameters
from fl_server.optimisers import State
from fl_server.optimisers.averaging import FedAvgM


class Against(FedAvgM):
    """Steps from each mean change of the sites the other way: up their loss, not down."""

    def step(
        self, parameters: Parameters, delta: Parameters, state: State
    ) -> tuple[Parameters, State]:
        """One round."""
        return super().step(parameters, {name: -x for name, x in delta.items()}, state)
