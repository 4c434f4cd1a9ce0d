"""One federated run, from its current state to its published model: all that the runner does.

It may be killed at any time. After a restart it loads the latest checkpoint and begins the next
round under a new Flower run. The run that sites and ledgers know keeps its identity.
"""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from fl_common.components.description import Kind, Stage
from fl_common.configuration.rules import Config
from fl_common.errors import RunFailed
from fl_server.cloud.build import home_of
from fl_server.cloud.planning import ConfiguredRun, build_run, keep_settings
from fl_server.cloud.publishing import publish
from fl_server.cloud.round_rows import RoundRows
from fl_server.cloud.site_queries import AskingBetween
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import superlink_of
from fl_server.repository.build import open_repository
from fl_server.repository.incumbents import component_name, find_incumbent
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.accounting import SpendTallyByClass
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.comparison import Incumbent
from fl_server.rounds.metrics import RoundMetrics
from models.export import check_exportable
from models.nets import Net, build_net, load_parameters, parameters_of

_logger = logging.getLogger(__name__)


def carry_out(config: Config) -> None:
    """Perform the remaining rounds of the configured run, then publish the model.

    Raises:
        JoinTheDotsError: the run can't continue, or a value breaks a rule.
    """
    torch.set_num_threads(1)
    asking, home = AskingBetween(config), home_of(config)
    configured = build_run(config, asking.wait)
    model = configured.folder / "model.onnx"
    if model.is_file() and model.stat().st_size:
        _logger.info("run %s is complete: %s. Set run=NAME to begin another.", config["run"], model)
        return
    keep_settings(configured, config)
    told = configured.beginning.said(configured.plan) if configured.beginning else ()
    for line in told:
        _logger.info("run %s %s", configured.plan.run, line)
    net, superlink = _net(config, configured), superlink_of(config, home)
    check_exportable(net, configured.plan.task)
    repository = open_repository(None, config["publish"]["keys"], home.components)
    connect = partial(superlink.run, home.ledger_heads)
    configured, scale = configured.surveyed(connect)
    net = _net(config, configured) if scale else net
    federation = replace(configured.federation, incumbent=_incumbent(repository, configured))
    metrics = RoundMetrics(home.metrics, configured.plan.run)
    kinds = Sites(home.sites).kinds
    by_class = SpendTallyByClass(configured.plan.privacy, kinds, federation.beside)
    rounds = RoundRows(configured, metrics, by_class)
    run = FederatedRun(federation, parameters_of(net), configured.folder / "checkpoints", rounds)
    done = run.resume()
    for row in run.history:
        by_class.charge(row["charged"])
    _logger.info("run %s continues after round %d", configured.plan.run, done)
    _show_model(metrics, repository, configured)
    _finish(run, connect, asking)
    parameters, threshold = configured.thresholded(run.parameters, connect)
    load_parameters(net, parameters)
    start = {"init": configured.beginning.start.published()} if configured.beginning else {}
    publish(config, configured, run, net, {**start, **scale, **threshold}, repository, model)
    _show_model(metrics, repository, configured)


def _finish(
    run: FederatedRun,
    connect: Callable[[], AbstractContextManager[Any]],
    asking: AskingBetween,
) -> None:
    """Perform the rounds that are left.

    Raises:
        RunFailed: the run can't continue.
    """
    if run.is_done:
        return
    try:
        with connect() as grid, asking.by(grid, run.federation.plan):
            run.announce = asking
            run(grid)
    except RunFailed as error:
        raise RunFailed(f"run {run.federation.plan.run}, {error}") from error


def _net(config: Config, configured: ConfiguredRun) -> Net:
    """The run's network with its first parameters."""
    net = build_net(configured.plan.net, configured.plan.task, config["seed"] or 0)
    if configured.beginning is not None:
        load_parameters(net, configured.beginning.parameters)
    return net


def _show_model(
    metrics: RoundMetrics, repository: ComponentRepository, configured: ConfiguredRun
) -> None:
    name = component_name(configured.plan.task.name)
    entries = {stage: repository.entry(Kind.MODEL, name, stage) for stage in Stage}
    found = {str(s): e.component.version for s, e in entries.items() if e and not e.retired}
    metrics.show_model(name, found)


def _incumbent(repository: ComponentRepository, configured: ConfiguredRun) -> Incumbent | None:
    """The model in production, if the sites evaluate and can evaluate it."""
    if configured.federation.evaluate_every is None:
        return None
    found = configured.not_compared or find_incumbent(repository, configured.plan)
    if isinstance(found, str):
        _logger.warning("the model will not be compared with production: %s", found)
        return None
    return found
