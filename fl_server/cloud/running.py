"""One federated run, from its current state to its published model: all that the runner does.

It may be killed at any time. After a restart it loads the latest checkpoint and begins the next
round under a new Flower run. The run that sites and ledgers know keeps its identity.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from fl_common.components.description import Component, Kind, Stage
from fl_common.configuration.rules import Config
from fl_common.errors import RunFailed
from fl_common.files.whole import move_whole, write_whole
from fl_common.vocabulary import Integers, Windows
from fl_server.cloud.build import home_of
from fl_server.cloud.planning import ConfiguredRun, build_run, keep_settings
from fl_server.cloud.site_queries import AskingBetween
from fl_server.cloud.sites import SPENT, Sites
from fl_server.cloud.superlink import superlink_of
from fl_server.repository.build import open_repository
from fl_server.repository.incumbents import component_name, find_incumbent
from fl_server.repository.publication import publish_component, publish_model
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.accounting import SpendTallyByClass
from fl_server.rounds.app import FederatedRun, Row
from fl_server.rounds.comparison import Incumbent, write_counts
from fl_server.rounds.metrics import RoundMetrics
from fl_server.rounds.report import RoundReport
from models.export import check_exportable
from models.nets import Net, build_net, load_parameters, parameters_of
from models.onnx.golden import golden_windows

_logger = logging.getLogger(__name__)
_PROOF_WINDOWS = 64


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
    rounds = _Rounds(configured, metrics, by_class)
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
    _publish(config, configured, run, net, {**start, **scale, **threshold}, repository, model)
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


class _Rounds:
    """Makes a round's row, logs it, and keeps the newest one for ``fl-server status``."""

    def __init__(
        self, configured: ConfiguredRun, metrics: RoundMetrics, by_class: SpendTallyByClass
    ) -> None:
        self._configured, self._metrics, self._by_class = configured, metrics, by_class
        self._on_sites: Row | None = None

    def __call__(self, report: RoundReport) -> Row:
        self._by_class.charge(report.charged)
        promise = self._configured.plan.privacy.guarantee
        if report.evaluation:
            found = report.evaluation.measured(self._configured.plan.task)
            self._on_sites = {"round": report.round, "metrics": found}
        row: dict[str, Any] = {
            "run": self._configured.plan.run,
            "round": report.round,
            "rounds": self._configured.plan.rounds,
            "asked": report.asked,
            "updates": report.updates,
            "answered": sorted(report.answered),
            "refusals": dict(Counter(str(r.reason) for r in report.refusals)),
            "errors": [str(e)[:300] for e in report.errors],
            "cut": report.cut,
            "late": report.late,
            "busy": report.busy,
            "seconds": report.seconds,
            "bytes_up": report.bytes_up,
            "bytes_down": report.bytes_down,
            "epsilon": report.epsilon,
            "epsilon_limit": promise.epsilon_limit if promise else 0.0,
            "epsilon_per": report.epsilon_per,
            "epsilon_by_class": self._by_class.epsilon(),
            "epsilon_held_out": report.evaluation.epsilon if report.evaluation else 0.0,
            "on_sites": self._on_sites,
        }
        _logger.info(
            "run %s, round %d of %d: %d of %d sites in %.2f s, epsilon %s",
            *(row[k] for k in ("run", "round", "rounds", "updates", "asked", "seconds")),
            self._spent(report),
        )
        refusals = [f"{refusal.site}: {refusal.detail}" for refusal in report.refusals]
        for trouble in [*report.troubles(), *refusals]:
            _logger.warning("run %s, round %d: %s", row["run"], report.round, trouble)
        self._keep_spent(row["epsilon_limit"])
        write_whole(self._configured.folder / "round.json", json.dumps(row).encode())
        self._metrics.add(row)
        return row

    def _keep_spent(self, limit: float) -> None:
        """Keep what each site may have spent, for ``fl-server status``."""
        spent = {
            site: {"rounds": rounds, "epsilon": epsilon, "limit": limit}
            for site, (rounds, epsilon) in self._by_class.all.by_site().items()
        }
        write_whole(self._configured.folder / SPENT, json.dumps(spent).encode())

    def _spent(self, report: RoundReport) -> str:
        """Epsilon for the unit that the plan protects, then for the others that it reports."""
        promise = self._configured.plan.privacy.guarantee
        own = {promise.unit: report.epsilon} if promise else {}
        words = [f"{spent:.3g} for a {unit}" for unit, spent in (own | report.epsilon_per).items()]
        return ", ".join(words) or f"{report.epsilon:.3g}"


def _incumbent(repository: ComponentRepository, configured: ConfiguredRun) -> Incumbent | None:
    """The model in production, if the sites evaluate and can evaluate it."""
    if configured.federation.evaluate_every is None:
        return None
    found = configured.not_compared or find_incumbent(repository, configured.plan)
    if isinstance(found, str):
        _logger.warning("the model will not be compared with production: %s", found)
        return None
    return found


def _publish(
    config: Config,
    configured: ConfiguredRun,
    run: FederatedRun,
    net: Net,
    surveyed: dict[str, Any],
    repository: ComponentRepository,
    model: Path,
) -> Component:
    """Publish the model to ``testing`` of the served repository, then as the run's file."""
    plan, last = configured.plan, run.history[-1]
    spent = {"epsilon": last["epsilon"]} | {
        f"epsilon_per_{unit}": value for unit, value in last["epsilon_per"].items()
    }
    if last.get("epsilon_held_out"):
        spent["epsilon_held_out"] = last["epsilon_held_out"]
    told = {**spent, **surveyed}
    candidate = model.with_name("candidate.onnx")
    proof = publish_model(plan, net, len(run.history), told, _windows(plan), candidate)
    on_sites = last.get("on_sites")
    facts = {
        "licence": config["publish"]["licence"],
        "rounds": len(run.history),
        "sites": config["sites"],
        **({"metrics": on_sites["metrics"]} if on_sites else {}),
    }
    component = publish_component(repository, plan, net, told, proof, facts)
    if compared := last.get("compared"):
        write_counts(configured.folder / "counts.json", compared, component)
    move_whole(candidate, model)
    _logger.info(
        "run %s is published to testing: %s version %s", plan.run, component.name,
        component.version,
    )  # fmt: skip
    return component


def _windows(plan: Any) -> Windows:
    """Windows of the declared size, to check the export with: the server has no real ones."""
    values_N = golden_windows(plan.task, _PROOF_WINDOWS, 0)
    nothing_N: Integers = torch.zeros(len(values_N), dtype=torch.int64).numpy()
    return Windows(values_N, nothing_N, nothing_N, ("declared",))
