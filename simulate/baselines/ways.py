"""The configurations of the other two ways, made from a run's."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from omegaconf import OmegaConf

from fl_common.privacy.unit import WITHOUT_DP
from fl_server.build import build_plan, with_net
from fl_server.rounds.training import rate_of
from simulate.build import fleet_facts
from simulate.home import Home
from simulate.job.preparation import yaml_of
from simulate.world import World

_POOLED = "simulate.world.pooled.Pooled"
_DELTA_SHARE = 0.9
"""Of one over the number of windows: delta must lie below that."""


class Ways:
    """Makes them from the ``config`` of a run on ``world``, with the network that it has.

    Raises:
        InvalidConfiguration: ``config`` has no plan.
    """

    def __init__(self, config: Mapping[str, Any], world: World) -> None:
        self._config, _ = with_net(config, world.task)
        self.windows = sum(len(world.windows(index)) for index in range(len(world.sites)))
        """Training windows of all sites."""
        plan = build_plan(config, "baselines", world.task, fleet_facts(world))
        self._hides_sites = plan.privacy.update_mechanism is not None
        self._rate_alone = rate_of(self._alone, world.task, plan.privacy, 1)

    def pooled(self) -> dict[str, Any]:
        """Centralised: one site with all windows. With DP its noise is calibrated for that site."""
        privacy = dict(self._privacy)
        if "delta" in privacy:
            privacy["delta"] = min(privacy["delta"], _DELTA_SHARE / max(1, self.windows))
        if "site_windows" in privacy:
            privacy["site_windows"] = None
        world = {"_target_": _POOLED, "of": yaml_of(self._config["world"])}
        return {**self._without_exchange, "privacy": privacy, "world": world, "sites": None}

    def alone(self) -> dict[str, Any]:
        """Local-only: the run's own plan and noise, all sites in every round.

        A rate by the rule is that of a single site, whose noise no other's averages.
        """
        if self._rate_alone is None:
            return self._alone
        rate = {"learning_rate": self._rate_alone.value}
        return {**self._alone, "training": {**self._config["training"], **rate}}

    @property
    def _alone(self) -> dict[str, Any]:
        return {**self._without_exchange, "privacy": self._privacy}

    @property
    def _without_exchange(self) -> dict[str, Any]:
        """Nothing is sent: no sampling of sites, no compression, no evaluation, no publication."""
        config = self._config
        return {
            **config,
            "strategy": {**config["strategy"], "fraction": 1.0, "minimum_sites": 1},
            "clients_per_round": None,
            "compression": {"share": None},
            "evaluation": {"every": None},
            "publish": {**config["publish"], "repository": None, "keys": None},
        }

    @property
    def _privacy(self) -> Mapping[str, Any]:
        """The run's; none instead of one that hides whole sites, which a single site can't have."""
        whole: Mapping[str, Any] = self._config["privacy"]
        return _shipped(WITHOUT_DP) if self._hides_sites else whole


def _shipped(name: str) -> dict[str, Any]:
    """The privacy of conf/privacy/``name``.yaml."""
    file = files("conf").joinpath("privacy", f"{name}.yaml")
    node = OmegaConf.to_container(OmegaConf.create(file.read_text("utf-8")))
    return {str(key): value for key, value in dict(node).items()}  # type: ignore[arg-type]


def resumed(config: Mapping[str, Any], home: Home) -> dict[str, Any]:
    """``config`` without the command's own values, going on with the run in ``home`` if any."""
    values = {key: value for key, value in config.items() if key != "baselines"}
    return {**values, "resume": str(home.folder) if home.record.exists() else None}
