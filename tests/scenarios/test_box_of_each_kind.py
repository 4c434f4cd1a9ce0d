"""A box in a federation for each kind of task: what it trains on, and what it is charged for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.sensors import Annotation
from fl_client.site.shortfalls import FILE, read_shortfalls
from fl_client.windows import SECOND, Window
from fl_client.windows.grid import windows_per_reading
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import Evaluation, KindSpec, LocalUpdate, NetSpec, Task
from tests.scenarios.test_box_training import EVALUATION, MONDAY, PRIVACY, SLICING, STEP, Home
from tests.support import samples

WINDOWS, TURN = 4000, 500
"""Windows in all, and after how many something else is told."""


@dataclass(frozen=True)
class Kind:
    """A kind, its net, what is told of turns in turn, and which labels windows get of that."""

    spec: KindSpec
    net: str
    told: Sequence[str]
    trained: set[Any]
    held_out: set[Any]
    labels: tuple[str, ...] = ()
    shared: int = 3
    options: Mapping[str, Any] = field(default_factory=lambda: {"hidden": []})


SETS = KindSpec.of("multilabel", labels="hot;loud")
RANGE = KindSpec.of("regression", low=0.0, high=50.0, unit="Cel", quantile=None)
KINDS = {
    "regression": Kind(RANGE, "scale_free.ScaleFree", ("10", "40.5"), {10.0, 40.5}, {10.0, 40.5}),
    "multilabel": Kind(SETS, "scale_free.ScaleFree", ("hot;loud", ";"), {3, 0}, {3, 0}),
    "sequence": Kind(
        KindSpec.of("sequence"), "labeller.Labeller", ("a", "b"), {0, 1}, {0, 1}, ("a", "b")
    ),
    "forecast": Kind(
        KindSpec.of("forecast", horizon=6), "autoregressive.Autoregressive", (), set(), set(),
        shared=4, options={},
    ),
    "anomaly": Kind(
        KindSpec.of("anomaly", quantile=0.9), "autoencoder.Autoencoder",
        ("anomaly", "normal", ""), {0, -1}, {0, 1}, options={"hidden": [4], "gain": 0.5},
    ),
}  # fmt: skip


def task_of(kind: Kind) -> Task:
    return replace(samples.TASK, labels=kind.labels, kind=kind.spec)


def plan_of(kind: Kind, shared: int) -> RunPlan:
    privacy = replace(PRIVACY, windows_per_reading=shared)
    net = NetSpec(f"models.nets.{kind.net}", kind.options)
    own: dict[str, Any] = {"task": task_of(kind), "net": net, "evaluation": EVALUATION}
    return replace(samples.plan(privacy, seed=None), **own)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture
def home(tmp_path: Path, kind: Kind) -> Any:
    made = Home(tmp_path, task_of(kind))
    made.store.add([Window("toy", MONDAY + k * STEP, made._values()) for k in range(WINDOWS)])
    for turn in range(WINDOWS // TURN):
        start = MONDAY + turn * TURN * STEP
        label = kind.told[turn % len(kind.told)] if kind.told else ""
        if label:
            made.store.annotate([Annotation(str(turn), start, start + TURN * STEP, label)])
    yield made
    made.connection.close()


def distinct(labels_N: Any) -> set[Any]:
    return {*np.ravel(labels_N).tolist()}


def test_it_trains_on_what_its_windows_stand_for_and_counts_what_is_held_out(
    home: Home, kind: Kind, tmp_path: Path
) -> None:
    training, held_out = home.box.training_windows(), home.box.held_out_windows()
    assert min(len(training), len(held_out)) > 500
    if kind.told:
        exact = {"regression": 0.9}.get(kind.spec.name, 1.0)
        assert kind.trained <= distinct(training.labels)
        assert np.isin(training.labels, [*kind.trained]).mean() >= exact
        assert kind.held_out <= distinct(held_out.labels)
    plan = plan_of(kind, kind.shared)
    assert isinstance(home.asks(plan, 1), LocalUpdate)
    assert isinstance(home.answers(plan, 1, "evaluate"), Evaluation)
    assert not read_shortfalls(tmp_path / FILE)
    assert {*home.charged().values()} == {1}


def test_it_takes_part_only_where_the_plan_counts_all_windows_of_a_reading(
    home: Home, kind: Kind
) -> None:
    assert windows_per_reading(home.box.task, SLICING) == kind.shared
    home.box.check_plan(plan_of(kind, kind.shared))
    with pytest.raises(InvalidConfiguration, match=rf"must count {kind.shared}: "):
        home.box.check_plan(plan_of(kind, kind.shared - 1))


def test_without_a_window_that_can_be_used_it_answers_alike(tmp_path: Path, kind: Kind) -> None:
    empty = Home(tmp_path, task_of(kind))
    answer = empty.asks(plan_of(kind, kind.shared), 1)
    empty.connection.close()
    assert isinstance(answer, LocalUpdate)
    assert answer.weight == 1.0
    assert MONDAY % SECOND == 0
    assert read_shortfalls(tmp_path / FILE) == {"empty": 1}
