"""The command ``python -m simulate egress``: from a configuration to a report of what left."""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import rich.console
import torch

from fl_client.app import SiteApp
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation
from fl_client.training import Trainer
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.plugins.build import build
from fl_common.programs.logs import Lines
from fl_server.build import build_federation, build_plan
from fl_server.rounds.strategy import Federation
from simulate.build import fleet_facts
from simulate.egress.rehearsal import Rehearsal
from simulate.egress.report import Egress, examine, show, write
from simulate.egress.sentinel_world import SentinelWorld, with_counts
from simulate.engines.members import roster_of
from simulate.fleet import Fleet
from simulate.home import Home
from simulate.world import World, check_no_survey
from simulate.world.build import open_world, world_yaml

_OWNER = "egress"


def egress(config: Config, home: Home, output: rich.console.Console) -> int:
    """Rehearse the run of ``config`` on planted data and search every message that leaves.

    Shown on ``output``, and egress.json in ``home``.

    Returns:
        The exit status: 1 if something was found.

    Raises:
        JoinTheDotsError: an invalid configuration, or a run that failed.
    """
    home.check_unused()
    torch.set_num_threads(1)  # as in any run on one worker
    if config["resume"]:
        raise InvalidConfiguration(
            f"resume={config['resume']}", "can't be used here: all is asked anew", "Leave it out"
        )
    world = open_world(world_yaml(config))
    check_no_survey(world, "a rehearsal, which has no survey")
    plan = build_plan(config, uuid.uuid4().hex, world.task, fleet_facts(world))
    federation = build_federation(config, plan, roster_of(world.sites))
    with output.status("") as status, _sites_log(home.folder / "sites.log"):
        trainer = build(config["training"]["trainer"], at="training.trainer")
        found = rehearse(federation, world, trainer, home, status.update)
    path = home.folder / "egress.json"
    write(path, found)
    show(found, path, output)
    if found.failure:
        raise RunFailed(found.failure)
    return 1 if found.findings else 0


@contextmanager
def _sites_log(path: Path) -> Iterator[None]:
    """Write the sites' own log to ``path``; it may hold details that must not leave."""
    logger, handler = logging.getLogger("fl_client"), logging.FileHandler(path)
    handler.setFormatter(Lines())
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
        handler.close()


def rehearse(
    federation: Federation,
    world: World,
    trainer: Trainer,
    home: Home,
    on_step: Callable[[str], None],
) -> Egress:
    """Send planted sites every request, on a separate ledger in ``home``; search their replies."""
    planted = SentinelWorld(world)
    with closing(Ledger(home.ledger, time.time, _OWNER)) as ledger:
        participation = Participation(ledger, trainer)
        fleet = Fleet(planted)
        app = SiteApp(lambda node: with_counts(fleet.site_of(node)), lambda: participation)
        capture = Rehearsal(federation, app, len(world.sites)).run(home.checkpoints, on_step)
    on_step("search")
    return Egress(
        plan=federation.plan,
        sites=len(world.sites),
        troubles={world.sites[place]: name for place, name in planted.trouble_of.items()},
        sent=capture.sent,
        findings=examine(federation.plan, capture.sent),
        failure=capture.failure,
    )
