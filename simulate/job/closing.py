"""The end of a run: exports and publishes the model, writes the summary and the report."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_common import params
from fl_common.components.description import Component
from fl_common.vocabulary import Parameters
from fl_server.repository.publication import publish_model
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.survey import ScaleRecord
from fl_server.rounds.threshold import ThresholdRecord
from models.evaluation import Evaluator
from models.export import ExportProof
from models.metadata import read_metadata
from simulate.build import check_ledger
from simulate.engines.protocol import Carrier
from simulate.home import Home
from simulate.job.preparation import Preparation, yaml_of
from simulate.job.publication import keep_comparison
from simulate.report.listener import RunListener
from simulate.report.outcome import doubts_of, metrics_of, outcome_of
from simulate.report.page import write_report
from simulate.report.record import checkable, write_rounds_table, write_weights
from simulate.report.results import RoundResult, RunEnding, summarise, write_summary
from simulate.report.spending import Spending


@dataclass(frozen=True)
class Closing:
    """Closes the run that was prepared as ``prepared``.

    ``started`` is ``time.monotonic()`` when the program began, ``start_up_s`` the time to the first
    round; ``evaluate`` evaluates ``prepared.net`` on the test set. ``parameters`` are those that
    are published, with the ``threshold`` if scores are learnt. ``examine`` shows test windows to
    functions, with the answers of the model that it is given. Reports in the folder of a ``sweep``
    share what draws their figures.
    """

    home: Home
    prepared: Preparation
    evaluate: Evaluator
    spending: Spending
    scale: ScaleRecord
    started: float
    start_up_s: float
    parameters: Parameters
    threshold: ThresholdRecord | None
    examine: Callable[[bytes], Sequence[Mapping[str, Any]]]
    sweep: Path | None = None

    def close(self, run: FederatedRun, carrier: Carrier, listener: RunListener) -> None:
        """Publish the model, write summary and report, and tell the listener.

        Raises:
            ExportMismatch: torch and ONNX Runtime disagree; nothing is published.
            LedgerError: the ledger, whose figures are published, can't be trusted.
        """
        prepared, plan = self.prepared, self.prepared.plan
        results = [RoundResult.from_row(row) for row in run.history]
        check_ledger(self.home.ledger)
        results[-1] = self.spending.told(results[-1])
        start = {"init": prepared.start.published()} if prepared.start else {}
        begun = {**start, "scale": self.scale.published()}
        if self.threshold is not None:
            begun["threshold"] = asdict(self.threshold)
            listener.tell(str(self.threshold))
        spent, last = {**results[-1].spent(), **begun}, run.history[-1]
        outcome = outcome_of(self.evaluate(self.parameters), prepared.test, plan.task)
        windows = prepared.test.windows  # the net has the parameters that were evaluated
        proof = publish_model(plan, prepared.net, len(results), spent, windows, self.home.model)
        metrics = metrics_of(outcome, plan.task)
        facts = {"rounds": len(results), "sites": prepared.sites, "metrics": metrics}
        component = prepared.publication.publish(plan, prepared.net, spent, proof, facts)
        keep_comparison(self.home.counts, last.get("compared"), component)
        doubts = doubts_of(outcome, plan.task, is_noised=plan.privacy.guarantee is not None)
        for line in filter(None, (carrier.await_model(component), *doubts)):
            listener.tell(line)
        ending = self._ending(run, proof, component, doubts)
        summary = summarise(plan, results, outcome, ending) | checkable(
            plan, outcome, self.scale, self.threshold
        )
        content = self.home.model.read_bytes()
        summary["functions"] = self.examine(content)
        write_weights(self.home.weights, read_metadata(content), self.parameters)
        write_rounds_table(self.home.rounds_table, results)
        write_summary(self.home.summary, summary)
        about = (plan, summary, results, outcome, yaml_of(prepared.config))
        write_report(self.home.report, *about, self.sweep)
        listener.finish(summary, outcome, self.home.files(prepared.config["publish"]["repository"]))

    def _told(self) -> list[str]:
        return [] if self.threshold is None else [str(self.threshold)]

    def _ending(
        self, run: FederatedRun, proof: ExportProof, component: Component, doubts: Sequence[str]
    ) -> RunEnding:
        prepared = self.prepared
        return RunEnding(
            sites=prepared.sites,
            strategy=run.federation.name,
            engine=prepared.engine.name,
            start_up_s=self.start_up_s,
            total_s=time.monotonic() - self.started,
            parameter_digest=params.digest(self.parameters),
            onnx_path=str(self.home.model),
            onnx_parity=proof.parity,
            component=component,
            choice=str(prepared.choice) if prepared.choice else None,
            rate=prepared.rate,
            notes=(*prepared.data, *prepared.notes, *self._told(), *doubts),
            legs=prepared.record.legs,
            init=asdict(prepared.start) if prepared.start else None,
        )
