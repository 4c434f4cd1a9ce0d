"""Publication of a run's model: the target repository, and the model in production there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.components.description import Component
from fl_common.configuration.rules import Config
from fl_common.plan import RunPlan
from fl_server.repository.build import open_repository
from fl_server.repository.incumbents import component_name, find_incumbent
from fl_server.repository.publication import publish_component
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.comparison import Incumbent, write_counts
from models.export import ExportProof
from models.nets import Net
from simulate.report.results import json_value


@dataclass(frozen=True)
class Publication:
    """The node ``publish`` of a configuration; ``own`` is the run's own repository.

    The model goes into testing of the configured repository, or of the run's own where none is.
    """

    node: Config
    own: Path

    @property
    def is_shared(self) -> bool:
        """True where the repository outlives the run, and may have an incumbent."""
        return self.node["repository"] is not None

    def repository(self) -> ComponentRepository:
        """The repository; the run's own is made with its first use.

        Raises:
            InvalidConfiguration: the configured one is not there, or its keys are not.
        """
        return open_repository(self.node["repository"], self.node["keys"], self.own)

    def name_of(self, plan: RunPlan) -> str:
        """The name of the run's model in the repository."""
        return component_name(plan.task.name)

    def incumbent(self, plan: RunPlan) -> Incumbent | str | None:
        """What production has; words that say why sites can't evaluate it, or None."""
        return find_incumbent(self.repository(), plan) if self.is_shared else None

    def publish(
        self,
        plan: RunPlan,
        net: Net,
        spent: Mapping[str, Any],
        proof: ExportProof,
        facts: Mapping[str, Any],
    ) -> Component:
        """Put the exported ``net`` into testing; see ``publish_component``."""
        facts = json_value({"licence": self.node["licence"], **facts})
        return publish_component(self.repository(), plan, net, spent, proof, facts)


def keep_comparison(path: Path, compared: Any, component: Component) -> None:
    """Write what the sites counted of ``component`` and of the incumbent, if they did."""
    if compared:
        write_counts(path, compared, component)
