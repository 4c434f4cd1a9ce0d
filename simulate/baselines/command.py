"""The command ``fl-simulate baselines``: the run of a configuration, without and beside the others.

Each of the three ways is a run in a folder of its own, ``federated`` with the very configuration
that was given. What has finished is not done anew.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import rich.console

from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.files.safetensors import read_safetensors
from models.kinds import SEQUENCE
from simulate.baselines.comparison import CENTRALISED, LOCAL, Comparison, Way
from simulate.baselines.judgement import Judgement
from simulate.baselines.local import Alone, LocalRun
from simulate.baselines.report import leave
from simulate.baselines.ways import Ways, resumed
from simulate.build import COUNTABLE
from simulate.engines.process import one_run
from simulate.home import FEDERATED, Home, Origin
from simulate.job.job import carry_out_in_own_process
from simulate.job.preparation import Preparation
from simulate.report.console import Console
from simulate.report.results import net_name
from simulate.report.wording import counted
from simulate.result import Result, open_result
from simulate.world import World, check_no_survey
from simulate.world.build import open_world, world_yaml

_LOOPBACK = "simulate.engines.loopback.LoopbackEngine"


def baselines(
    config: Mapping[str, Any],
    folder: Path,
    overrides: Sequence[str],
    output: rich.console.Console,
    started: float,
) -> None:
    """Carry out the three ways of ``config`` in ``folder``, show them, and leave record and page.

    ``overrides`` are those of the command line, ``started`` is ``time.monotonic()`` when the
    program began.

    Raises:
        JoinTheDotsError: bad input, or a run that can't go on; finished parts are kept.
    """
    most = config["baselines"]["test_windows"]
    require("baselines.test_windows", most, whole(1))
    world = open_world(world_yaml(config))
    _check(config, world)
    ways = Ways(config, world)
    results = {
        FEDERATED: _run(FEDERATED, config, Origin(tuple(overrides)), folder, output, started),
        CENTRALISED: _run(CENTRALISED, ways.pooled(), None, folder, output, started),
    }
    with one_run():
        local = LocalRun(ways.alone(), folder / LOCAL, output)
        judgement = Judgement(world, local.prepared.net, most)
        sites = local.train(judgement)
        compared = _compared(judgement, ways, sites, local.prepared, results)
    leave(compared, folder, output)


def _check(config: Mapping[str, Any], world: World) -> None:
    """Raise InvalidConfiguration for what has no baselines."""
    sites = len(world.sites)
    if not 2 <= sites <= COUNTABLE:
        raise InvalidConfiguration(
            f"{counted(sites, 'site')}",
            f"can't be compared: baselines take 2 to {COUNTABLE:,}, and train a model for each",
            "Set sites=1000, or another number between",
        )
    check_no_survey(world, "baselines: each way would find another scale")
    if config["engine"].get("_target_") != _LOOPBACK:
        raise InvalidConfiguration(
            f"engine={config['engine'].get('name', config['engine'].get('_target_'))}",
            "can't be used for baselines, which are trained in this process",
            "Leave it out, or set engine=loopback",
        )


def _run(
    name: str,
    config: Mapping[str, Any],
    origin: Origin | None,
    folder: Path,
    output: rich.console.Console,
    started: float,
) -> Result:
    """The finished run of one of the ways, carried out unless it has ended before."""
    home = Home(folder / name)
    values = resumed(config, home)
    origin = origin or Origin(configuration={**values, "resume": None})
    output.print(f"\n[bold]{name}[/bold]")
    with Console(output, brief=True) as console:
        carry_out_in_own_process(values, home, console, origin, started, folder)
    return open_result(home.folder)


def _compared(
    judgement: Judgement,
    ways: Ways,
    sites: Sequence[Alone],
    prepared: Preparation,
    results: Mapping[str, Result],
) -> Comparison:
    """The ways side by side, each judged at the same sites."""
    plan, summary = prepared.plan, results[FEDERATED].summary
    gradients = plan.rounds * plan.training.local_epochs * ways.windows
    spent = [site.epsilon for site in sites if site.epsilon is not None]
    stopped = [site for site in sites if site.refused]
    return Comparison(
        task=plan.task.name,
        net=net_name(plan),
        rounds=plan.rounds,
        passes=plan.training.local_epochs,
        seed=plan.seed,
        measure=judgement.measure,
        noun="readings" if plan.task.kind.name == SEQUENCE else "windows",
        judged_on=judgement.words,
        privacy_unit=summary["privacy_unit"],
        delta=summary["delta"],
        sites=[site.site for site in sites],
        left_out=judgement.left_out,
        stopped=len(stopped),
        local=Way(LOCAL, [site.value for site in sites], max(spent, default=None), gradients),
        federated=_judged(FEDERATED, results, judgement, gradients),
        centralised=_judged(CENTRALISED, results, judgement, gradients),
        notes=_notes(judgement, stopped),
    )


def _judged(name: str, results: Mapping[str, Result], judgement: Judgement, most: int) -> Way:
    """The one model of a run at each site; ``most`` gradients if all sites took part each time."""
    result = results[name]
    parameters, _ = read_safetensors(Home(result.folder).weights)
    updates = sum(row.updates for row in result.history)
    share = updates / (len(result.history) * result.summary["sites"])
    epsilon = result.summary["epsilon"]
    return Way(name, judgement.of_all(parameters), epsilon, round(most * share))


def _notes(judgement: Judgement, stopped: Sequence[Alone]) -> list[str]:
    """Sites that are not in the figures, or not as planned."""
    notes = [*judgement.notes]
    if stopped:
        first = stopped[0]
        notes.append(
            f"{counted(len(stopped), 'site')} stopped training alone, the first {first.site}:"
            f" {first.refused}"
        )
    return notes
