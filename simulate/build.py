"""From configuration to a simulated fleet and its client app.

Worlds and participations are cached by their configuration, so that an engine's worker process
opens its data and its ledger once, however often the client app is sent to it.
"""

import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from fl_client.app import SiteApp
from fl_client.ledger.counter import counter_beside
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site
from fl_client.training.prepared import prepare_ahead
from fl_common.errors import LedgerError
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_server.build import FleetFacts
from fl_server.rounds.sampling import Sampling
from simulate.fleet import Fleet
from simulate.world import World
from simulate.world.build import open_world

COUNTABLE = 5000
"""Fleets up to this size are measured site by site before a run."""

_LOOKED_AT = 25
"""Sites of a larger fleet that are measured."""

_LEDGER_OWNER = "fleet"
"""The simulated sites share one ledger."""


def fleet_facts(world: World) -> FleetFacts:
    """The number of sites and their sizes; of a large fleet only the median of some sites."""
    sites = len(world.sites)
    looked_at = range(0, sites, max(1, sites // _LOOKED_AT)) if sites > COUNTABLE else range(sites)
    sizes = sorted(len(world.windows(position)) for position in looked_at)
    typical = sizes[len(sizes) // 2]
    if sites > COUNTABLE:
        return FleetFacts(sites, typical, None)
    return FleetFacts(sites, typical, sizes[-1])


def prepare_fleet(world: World, plan: RunPlan, sampling: Sampling) -> None:
    """Prepare the sites' windows before the first round, where the run will need most of them."""
    sites = len(world.sites)
    drawn = len(sampling.choose(world.sites, 1, 0))
    if plan.rounds * drawn >= sites and sites <= COUNTABLE:
        prepare_ahead(plan, map(world.windows, range(sites)))


def open_ledger(
    path: Path, plan: RunPlan, done: int, *, resumes: bool, earlier: Sequence[str] = ()
) -> None:
    """The fleet's ledger at ``path``, made before the first round: a full disk ends a run here.

    A run that is resumed has done ``done`` rounds of ``plan``, and the ledger must know of them.
    What its sites sent in a later round was lost with its process, before anything of the round was
    kept or shown. So that round's charges may be used once more, which the ledger notes. Its rounds
    may be those of ``earlier`` runs, which it goes on from.

    Raises:
        LedgerError: it can't be written, or the one that is there can't be trusted.
    """
    spent = done > 0 and plan.privacy.guarantee is not None
    forgotten = LedgerError(
        f"{path}: has no charge of run {plan.run}, of which {done} rounds are done: it is missing,"
        " or another run's. Put the run's own ledger and counter back, or begin a new run."
    )
    if spent and not (path.exists() or counter_beside(path).exists()):
        raise forgotten
    with closing(Ledger(path, time.time, _LEDGER_OWNER)) as ledger:
        runs, sites = (plan.run, *earlier), ledger.sites()
        if spent and not any(ledger.plan_of(site, run) for site in sites for run in runs):
            raise forgotten
        if resumes:
            ledger.reopen(plan.run, done + 1)


def check_ledger(path: Path) -> None:
    """Raise LedgerError if the fleet's ledger at ``path`` can't be trusted."""
    Ledger(path, time.time, _LEDGER_OWNER).close()


def build_site_app(world_yaml: str, trainer_yaml: str, ledger: Path) -> SiteApp:
    """The client app of all simulated sites; small enough to be sent to other processes."""
    return SiteApp(
        site_of=partial(_site_of, world_yaml),
        participation=partial(_participation, trainer_yaml, ledger),
    )


def _site_of(world_yaml: str, node_config: dict[str, Any]) -> Site:
    return Fleet(open_world(world_yaml)).site_of(node_config)


_PARTICIPATIONS: dict[tuple[str, Path], Participation] = {}
"""Those of this process, by trainer and ledger."""


def close_participations() -> None:
    """Close the ledgers that sites of this process have used; a later message opens them again."""
    while _PARTICIPATIONS:
        _PARTICIPATIONS.popitem()[1].close()


def _participation(trainer_yaml: str, ledger: Path) -> Participation:
    key = trainer_yaml, ledger
    if key not in _PARTICIPATIONS:
        trainer = build(_node(trainer_yaml), at="training.trainer")
        _PARTICIPATIONS[key] = Participation(Ledger(ledger, time.time, _LEDGER_OWNER), trainer)
    return _PARTICIPATIONS[key]


def _node(yaml: str) -> DictConfig:
    node = OmegaConf.create(yaml)
    assert isinstance(node, DictConfig)
    return node
