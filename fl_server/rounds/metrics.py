"""Metrics of a server's rounds, as a file for Prometheus' node exporter.

The textfile collector suits a run: the figures change once per round, and no port is needed. The
counters start at zero with the process that performs a run, as Prometheus expects after a restart.
The site's own metrics are ``fl_client.node.metrics``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, generate_latest

from fl_common.files.whole import write_whole

_PREFIX = "fl_server"


class RoundMetrics:
    """Counts rounds of the run ``run`` and writes them to ``path``, whole or not at all."""

    def __init__(self, path: Path, run: str) -> None:
        self._path, self._registry = path, CollectorRegistry()
        self._gauge("run_info", "The run that is carried out", "run").labels(run).set(1)
        self._wanted = self._gauge("run_rounds", "Rounds of the current run, in all")
        self._limit = self._gauge("epsilon_limit", "What the plan allows a site to spend; 0: no DP")
        self._round = self._gauge("round", "The newest round")
        self._rounds = self._counter("rounds", "Rounds carried out")
        self._duration = Summary(
            f"{_PREFIX}_round_duration_seconds", "Wall time of rounds", registry=self._registry
        )
        self._received = self._counter("received_bytes", "Bytes of answers")
        self._sent = self._counter("sent_bytes", "Bytes of instructions")
        self._asked = self._counter("sites_asked", "Sites asked for an update")
        self._updates = self._counter("updates", "Updates counted")
        self._share = self._gauge("participation_ratio", "Updates of the newest round by asked")
        self._refusals = self._counter("refusals", "Sites that said no", "reason")
        self._errors = self._counter("errors", "Answers that could not be counted, or missing")
        self._cut = self._counter("cut_updates", "Updates that counted for less than they claimed")
        self._late = self._counter("late_sites", "Sites that a round went on without")
        self._busy = self._counter("busy_sites", "Sites not asked: at work on an earlier round")
        self._epsilon = self._gauge("epsilon", "Largest epsilon spent on a site, by unit", "unit")
        self._epsilon_of_class = self._gauge(
            "class_epsilon",
            "Largest epsilon spent on a site of a class, for the plan's unit",
            "class",
        )
        self._model = self._gauge("model_info", "Version in a stage", "stage", "name", "version")

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one round, given the row that the server records."""
        self._round.set(row["round"])
        self._wanted.set(row["rounds"])
        self._limit.set(row["epsilon_limit"])
        self._rounds.inc()
        self._duration.observe(row["seconds"])
        self._received.inc(row["bytes_up"])
        self._sent.inc(row["bytes_down"])
        self._asked.inc(row["asked"])
        self._updates.inc(row["updates"])
        self._share.set(row["updates"] / row["asked"] if row["asked"] else 0.0)
        for reason, count in row["refusals"].items():
            self._refusals.labels(reason).inc(count)
        self._errors.inc(len(row["errors"]))
        self._cut.inc(len(row["cut"]))
        self._late.inc(len(row["late"]))
        self._busy.inc(len(row["busy"]))
        for unit, value in {"run": row["epsilon"], **row["epsilon_per"]}.items():
            self._epsilon.labels(unit).set(value)
        for kind, value in row["epsilon_by_class"].items():
            self._epsilon_of_class.labels(kind).set(value)
        self._write()

    def show_model(self, name: str, version_of: Mapping[str, str]) -> None:
        """Set the version of the model ``name`` in each stage."""
        self._model.clear()
        for stage, version in version_of.items():
            self._model.labels(stage, name, version).set(1)
        self._write()

    def _write(self) -> None:
        write_whole(self._path, generate_latest(self._registry))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self._registry)
