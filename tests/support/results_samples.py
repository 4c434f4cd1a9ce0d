"""A finished run with made-up figures, for tests of what a person sees."""

from dataclasses import replace
from typing import Any

import numpy as np

from fl_common.components.description import Component, Kind
from fl_common.plan import RunPlan
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import NetSpec
from simulate.report.confusion import confusion_of
from simulate.report.results import Outcome, RoundResult, RunEnding, summarise
from tests.support import samples

ENDING = RunEnding(
    sites=3,
    strategy="fedavg",
    engine="loopback",
    start_up_s=4.1,
    total_s=41.7,
    parameter_digest="3fa9c1",
    onnx_path="outputs/model.onnx",
    onnx_parity=2.4e-7,
    component=Component(Kind.MODEL, "activity", "1", (), {"licence": "Apache-2.0"}),
)


MEASURES = {"accuracy": 0.8, "balanced_accuracy": 0.7, "macro_f1": 0.6}


def plan(privacy: PrivacyPlan = samples.WINDOW_PRIVACY, rounds: int = 12, **task: Any) -> RunPlan:
    """A plan under DP, for a task of which ``task`` replaces fields."""
    net = NetSpec("models.nets.cnn1d.Cnn1d")
    return samples.plan(privacy, rounds=rounds, net=net, task=replace(samples.TASK, **task))


def result(round_: int, **changes: Any) -> RoundResult:
    """A round in which all went well, except for ``changes``."""
    base = RoundResult(
        round=round_,
        sites_asked=3,
        updates=3,
        refusals={},
        errors=0,
        cut=0,
        accuracy=0.5 + 0.4 * (1 - 0.9**round_),
        loss=1.5 * 0.9**round_,
        epsilon=round_**0.5,
        epsilon_per={"window": round_**0.5, "reading": 2 * round_**0.5},
        bytes_up=1_234_000,
        bytes_down=2_345_000,
        seconds=1.5,
        measures=MEASURES,
    )
    return replace(base, **changes)


def outcome(labels: tuple[str, ...] = samples.TASK.labels, sites: int = 3) -> Outcome:
    """The model names eight of ten windows right in each class, and takes the rest for the next."""
    truth_N = np.repeat(np.arange(len(labels)), 10)
    next_N = (truth_N + 1) % len(labels)
    named_N = np.where(np.arange(len(truth_N)) % 10 < 8, truth_N, next_N)
    return Outcome(
        accuracy=0.8,
        loss=0.4,
        per_class_accuracy=dict.fromkeys(labels, 0.8),
        confusion=confusion_of(truth_N, named_N, len(labels)),
        accuracy_of_group={f"site {i}": 0.7 + 0.2 * i / max(1, sites - 1) for i in range(sites)},
        measures=MEASURES,
    )


def summary(of: RunPlan, rounds: list[RoundResult], end: Outcome) -> dict[str, Any]:
    """The summary of such a run."""
    return summarise(of, rounds, end, ENDING)
