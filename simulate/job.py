"""One simulated run, from its configuration to its files."""

import time
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import torch
from omegaconf import OmegaConf

from fl_client.training.checks import why_not_under
from fl_common import params
from fl_common.components.description import Component
from fl_common.configuration import Config
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import Task
from fl_server.build import build_federation, build_plan, check_sampling
from fl_server.repository.build import open_repository
from fl_server.repository.incumbents import component_name, find_incumbent
from fl_server.repository.publication import publish_component, publish_model
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.app import FederatedRun, Row, build_server_app
from fl_server.rounds.comparison import Incumbent, write_counts
from fl_server.rounds.strategy import Roster, RoundReport, ask_roster
from models.evaluation import Evaluator, Predictions
from models.export import ExportProof
from models.nets import Net, build_net, parameters_of
from simulate.build import build_site_app, create_ledger, fleet_facts, prepare_fleet
from simulate.engines.loopback import run_in_process
from simulate.engines.memory import keep_freed_memory
from simulate.engines.ray import run_on_ray
from simulate.home import Home
from simulate.report.console import Console
from simulate.report.page import write_report
from simulate.report.results import (
    Outcome,
    RoundLog,
    RoundResult,
    RunEnding,
    json_value,
    summarise,
    write_summary,
)
from simulate.world import TestSet, World
from simulate.world.build import open_world

if TYPE_CHECKING:
    from simulate.engines.deployment.fleet import Deployment


@dataclass
class Job:
    """Everything of one run; ``run`` carries it out and leaves its files in ``home``."""

    config: Config
    home: Home
    console: Console
    started: float
    """``time.monotonic()`` when the program began."""
    _net: Net = field(init=False)
    _evaluate: Evaluator = field(init=False)
    _log: RoundLog = field(init=False)
    _start_up_s: float = field(init=False, default=0.0)
    _notes: list[str] = field(init=False, default_factory=list)
    _deployment: "Deployment | None" = field(init=False, default=None)

    def run(self, overrides: list[str]) -> None:
        """Plan, train, publish and report."""
        torch.set_num_threads(1)  # a worker process per core beats threads on small nets
        keep_freed_memory()
        world = open_world(self._yaml("world"))
        plan = self._plan(world)
        roster, incumbent = self._roster(len(world.sites)), self._incumbent(plan)
        federation = build_federation(self.config, plan, roster, incumbent)
        check_sampling(federation, world.sites)
        net = self._net = build_net(plan.net, plan.task, plan.seed or 0)
        _check_private(net, plan)
        test = world.test()
        _check_held_out(self.config, world.sites, test)
        self._evaluate = Evaluator(net, test.windows, len(plan.task.labels))
        run = FederatedRun(federation, parameters_of(net), self.home.checkpoints, self._record)
        done = run.resume()
        if not self.config["resume"]:
            self.home.write_record(plan.run, overrides)
        create_ledger(self.home.ledger, plan, done)
        self._log = RoundLog(self.home.rounds, keep_until=done)
        if self.config["engine"]["name"] == "loopback":
            prepare_fleet(world, plan, federation.sampling)
        self._start(plan, len(world.sites), done)
        with ExitStack() as processes:
            self._engine(run, len(world.sites), processes)
            self._finish(plan, run, test, len(world.sites))

    def _plan(self, world: World) -> RunPlan:
        """The plan of this run, under the identity of the run that goes on, if one does."""
        resumed = self.config["resume"]
        identity = self.home.read_record()["run"] if resumed else uuid.uuid4().hex
        compares = self.config["publish"]["repository"] is not None
        facts = fleet_facts(world)
        return build_plan(self.config, identity, world.task, facts, compares=compares)

    def _incumbent(self, plan: RunPlan) -> Incumbent | None:
        """What production of the configured repository has, where sites can evaluate it."""
        if self.config["publish"]["repository"] is None:
            return None
        found = find_incumbent(self._repository(), plan)
        if self.config["evaluation"]["every"] is None or not isinstance(found, str):
            return found if isinstance(found, Incumbent) else None
        self._notes.append(f"the model is not compared with production: {found}")
        return None

    def _repository(self) -> ComponentRepository:
        node = self.config["publish"]
        return open_repository(node["repository"], node["keys"], self.home.repository)

    def _yaml(self, *keys: str) -> str:
        node: Any = self.config
        for key in keys:
            node = node[key]
        return OmegaConf.to_yaml(OmegaConf.create(dict(node)))

    def _roster(self, sites: int) -> Roster:
        """In this process nodes are known; elsewhere each is asked for its position once."""
        if self.config["engine"]["name"] == "loopback":
            return lambda grid: range(1, sites + 1)
        return cache(partial(ask_roster, expected=sites))

    def _engine(self, run: FederatedRun, sites: int, processes: ExitStack) -> None:
        """Carry out the run on the engine that the configuration names.

        Those of a deployment's ``processes`` run until that is closed.
        """
        engine = self.config["engine"]
        if engine["name"] == "deployment":
            from simulate.engines.deployment.fleet import (  # a second that others are spared
                ProcessFleet,
                deployed,
            )

            trainer, name = self._yaml("training", "trainer"), run.federation.plan.task.name
            fleet = ProcessFleet(
                *(self._yaml("world"), trainer, self.home.ledger, sites),
                *(component_name(name), self._repository()),
            )
            place = self.home.folder / "deployment"
            self._deployment = processes.enter_context(deployed(fleet, engine, place))
            self._deployment.carry_out(run)
            return
        client_app = build_site_app(
            self._yaml("world"), self._yaml("training", "trainer"), self.home.ledger
        )
        server_app = build_server_app(run)
        if engine["name"] == "ray":
            run_on_ray(server_app, client_app, sites, engine["cpus_per_site"])
        else:
            run_in_process(
                server_app,
                client_app,
                sites,
                workers=engine["workers"],
                cohorts=engine["cohorts"],
                cohort_mib=engine["cohort_mib"],
            )

    def _record(self, report: RoundReport) -> Row:
        """Evaluate the round, show it and write its line."""
        predictions = self._evaluate(report.parameters)
        result = RoundResult(
            round=report.round,
            sites_asked=report.asked,
            updates=report.updates,
            refusals=Counter(str(refusal.reason) for refusal in report.refusals),
            errors=len(report.errors),
            accuracy=predictions.accuracy,
            loss=predictions.loss,
            epsilon=report.epsilon,
            epsilon_per=report.epsilon_per,
            bytes_up=report.bytes_up,
            bytes_down=report.bytes_down,
            seconds=report.seconds,
            clip_norm=report.clip_norm,
            on_sites=report.evaluation.figures() if report.evaluation else None,
        )
        self._log.append(result)
        self.console.round(
            result, report.refusals, [*report.errors, *_troubles(report), *self._notes]
        )
        return result.to_row()

    def _start(self, plan: RunPlan, sites: int, done: int) -> None:
        """Show what is about to run."""
        self._start_up_s = time.monotonic() - self.started
        self.console.start(plan, sites, done)

    def _finish(self, plan: RunPlan, run: FederatedRun, test: TestSet, sites: int) -> None:
        """Publish the model, write summary and report, and show the closing table."""
        results = [RoundResult.from_row(row) for row in run.history]
        outcome = _outcome(self._evaluate(run.parameters), test, plan.task)
        proof = publish_model(
            plan, self._net, len(results), results[-1].spent(), test.windows, self.home.model
        )
        component = self._publish(plan, run, proof, outcome, sites)
        if self._deployment is not None:
            self.console.tell(self._deployment.await_swap(component))
        ending = RunEnding(
            sites=sites,
            strategy=type(run.federation.optimiser).__name__,
            engine=self.config["engine"]["name"],
            start_up_s=self._start_up_s,
            total_s=time.monotonic() - self.started,
            parameter_digest=params.digest(run.parameters),
            onnx_path=str(self.home.model),
            onnx_parity=proof.parity,
            component=component,
        )
        summary = summarise(plan, results, outcome, ending)
        write_summary(self.home.summary, summary)
        write_report(self.home.report, plan, summary, results, outcome, self._yaml())
        self.console.finish(summary, outcome, self.home.files(self.config["publish"]["repository"]))

    def _publish(
        self, plan: RunPlan, run: FederatedRun, proof: ExportProof, outcome: Outcome, sites: int
    ) -> Component:
        """Put the model into testing of the configured repository, or of one of this run's own."""
        last = run.history[-1]
        facts = {
            "licence": self.config["publish"]["licence"],
            "rounds": len(run.history),
            "sites": sites,
            "metrics": {"accuracy": outcome.accuracy, "loss": outcome.loss},
        }
        component = publish_component(
            self._repository(),
            *(plan, self._net, RoundResult.from_row(last).spent()),
            *(proof, json_value(facts)),
        )
        if compared := last.get("compared"):
            write_counts(self.home.counts, compared, component)
        return component


def _check_private(net: Net, plan: RunPlan) -> None:
    """Raise now what every site would refuse in the first round."""
    if problem := why_not_under(plan.privacy, net):
        raise problem


def _check_held_out(config: Config, sites: Sequence[str], test: TestSet) -> None:
    """Raise where the sites are asked for windows that none of them has."""
    if config["evaluation"]["every"] is None or any(name in sites for name in test.groups):
        return
    raise InvalidConfiguration(
        f"evaluation=federated with a test set of {len(test.groups)} other groups than the sites",
        "needs windows that the sites hold out from training",
        "Set evaluation=central, or use task=wearables or your own data without a column split",
    )


def _troubles(report: RoundReport) -> Iterable[str]:
    """What went wrong in an evaluation on the sites."""
    for trouble in report.comparison.troubles() if report.comparison else ():
        yield f"evaluation of production: {trouble}"
    if (metrics := report.evaluation) is None:
        return
    for refusal in metrics.refusals:
        yield f"site {refusal.site} refuses to evaluate ({refusal.reason}): {refusal.detail}"
    yield from (f"evaluation: {error}" for error in metrics.errors)


def _outcome(predictions: Predictions, test: TestSet, task: Task) -> Outcome:
    """The final evaluation, by label and by group of the test set."""
    confusion_KK = predictions.confusion_KK()
    totals_K = confusion_KK.sum(1)
    right_N = predictions.truth_N == predictions.predicted_N
    return Outcome(
        accuracy=predictions.accuracy,
        loss=predictions.loss,
        per_class_accuracy={
            label: float(confusion_KK[k, k] / totals_K[k])
            for k, label in enumerate(task.labels)
            if totals_K[k]
        },
        confusion_KK=confusion_KK,
        accuracy_of_group={
            group: float(right_N[test.group_of == index].mean())
            for index, group in enumerate(test.groups)
            if (test.group_of == index).any()
        },
    )
