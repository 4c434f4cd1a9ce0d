"""The protocol that every engine of a simulated run implements."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fl_common.components.description import Component
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.roster import Roster
from fl_server.rounds.strategy import Federation
from simulate.world import World


@dataclass(frozen=True)
class SimulatedFleet:
    """The description from which an engine makes the sites of a run.

    ``world_yaml`` and ``trainer_yaml`` are configuration nodes, small enough to be sent to other
    processes; the sites share the ``ledger``. ``folder`` is the run's outputs folder. The model
    will be in testing of the repository as ``model``.
    """

    world: World
    world_yaml: str
    trainer_yaml: str
    ledger: Path
    folder: Path
    open_repository: Callable[[], ComponentRepository]
    model: str


class Carrier(Protocol):
    """A started engine: carries the messages of a run to the sites, and the replies back."""

    def carry_out(self, run: FederatedRun) -> None:
        """Perform the remaining rounds of ``run``.

        Raises:
            RunFailed: the run can't continue; its finished rounds are kept.
        """
        ...

    def await_model(self, component: Component) -> str | None:
        """Wait until the sites run the published model; a line about it, None where none can.

        Raises:
            RunFailed: a site does not run it within the engine's time limit.
        """
        ...


class SimulationEngine(Protocol):
    """One way to carry the messages of a run; holds configuration only, no state of a run."""

    @property
    def name(self) -> str:
        """The engine as an override names it."""
        ...

    def roster(self, sites: Sequence[str]) -> Roster:
        """How the server finds the node of each of ``sites``, in this order."""
        ...

    def prepare(self, fleet: SimulatedFleet, federation: Federation) -> None:
        """Preparation before the first round is announced, if any."""
        ...

    def start(self, fleet: SimulatedFleet) -> AbstractContextManager[Carrier]:
        """A carrier for one run over ``fleet``; what it started ends with the context."""
        ...
