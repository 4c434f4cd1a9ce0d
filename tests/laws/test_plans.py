"""Laws of the plans: what is written is read back, any change shows, noise meets its limit."""

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_common.compression.quantisation import Compression
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan, TrainingPlan
from fl_common.privacy.accounting import Spend, calibrate_noise, epsilon_of
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.mechanisms import AdaptiveClipping
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import KindSpec, NetSpec, Task
from tests.support import samples

above_zero = st.floats(1e-6, 1e6)
names = st.text(min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | names,
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
privacy_plans = st.builds(
    WindowPrivacyPlan,
    clip_norm=above_zero,
    noise_multiplier=st.floats(1e-6, 1e4),
    sampling_rate=st.floats(1e-6, 1),
    steps=st.integers(1, 10**5),
    expected_batch=st.floats(1e-3, 100),
    delta=st.floats(1e-12, 1e-9),
    epsilon_limit=st.floats(0.01, 1e6),
    accountant=st.sampled_from(["rdp", "prv"]),
    weights=st.just("uniform"),
    unit=st.sampled_from(["window", "reading"]),
    windows_per_reading=st.integers(1, 5),
)
site_privacy_plans = st.builds(
    SitePrivacyPlan,
    clip_norm=above_zero,
    noise_multiplier=st.floats(1e-6, 1e3),
    noise=st.just("server"),
    participation=st.floats(1e-6, 1),
    population=st.integers(1, 10**6),
    delta=st.floats(1e-12, 1e-7),
    epsilon_limit=st.floats(0.01, 1e6),
    accountant=st.sampled_from(["rdp", "prv"]),
    weights=st.just("uniform"),
    adaptive_clipping=st.none()
    | st.builds(AdaptiveClipping, st.floats(0.01, 0.99), above_zero, st.floats(1e3, 1e6)),
    unit=st.just("site"),
)
training_plans = st.builds(
    TrainingPlan,
    optimizer=st.sampled_from(["sgd", "adam"]),
    learning_rate=above_zero,
    momentum=st.floats(0, 0.999),
    weight_decay=st.floats(0, 1),
    batch_size=st.integers(1, 4096),
    local_epochs=st.integers(1, 100),
    proximal_mu=st.floats(0, 10),
    schedule=st.sampled_from(["constant", "cosine"]),
)
tasks = st.builds(
    Task,
    name=names,
    channels=st.lists(names, max_size=3).map(tuple),
    units=st.lists(names, max_size=3).map(tuple),
    rate_hz=st.none() | above_zero,
    window_shape=st.lists(st.integers(1, 512), min_size=1, max_size=3).map(tuple),
    labels=st.lists(names, max_size=4).map(tuple),
    center=st.lists(st.floats(-1e3, 1e3), max_size=3).map(tuple),
    scale=st.lists(above_zero, max_size=3).map(tuple),
    kind=st.just(KindSpec()) | st.builds(KindSpec.of, names, high=st.floats(-1e3, 1e3)),
)
unevaluated_plans = st.builds(
    RunPlan,
    run=names,
    task=tasks,
    net=st.builds(NetSpec, names, st.dictionaries(names, json_values, max_size=3)),
    training=training_plans,
    privacy=privacy_plans
    | site_privacy_plans
    | st.builds(NoPrivacy, st.sampled_from(["uniform", "examples"]), st.just("none")),
    rounds=st.integers(1, 10**4),
    seed=st.none() | st.integers(0, 2**63),
    init=st.none() | st.text("0123456789abcdef", min_size=64, max_size=64),
)
evaluated_plans = st.builds(
    replace,
    unevaluated_plans,
    privacy=privacy_plans,
    evaluation=st.builds(
        EvaluationPlan, st.floats(1e-6, 1e4), st.floats(1e-3, 1e3), st.floats(0.01, 1e6)
    ),
    compression=st.none() | st.builds(Compression, st.floats(0.001, 1)),
)
plans = unevaluated_plans | evaluated_plans


@settings(max_examples=100, deadline=None)
@given(plan=plans)
def test_plan_read_back_is_the_plan(plan: RunPlan) -> None:
    again = RunPlan.from_json(plan.to_json())
    assert again == plan
    assert again.digest() == plan.digest()


@settings(max_examples=40, deadline=None)
@given(one=plans, other=plans)
def test_plans_share_a_digest_only_when_they_are_equal(one: RunPlan, other: RunPlan) -> None:
    assert (one.digest() == other.digest()) == (one == other)


def leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return [path]
    return [leaf for key, inner in value.items() for leaf in leaves(inner, (*path, key))]


def fields_of(plan: RunPlan) -> dict[str, Any]:
    """The fields, without the kind of a task, which is told only where it is no classification.

    Nor the details of an evaluation, or whose the first parameters are, which are told only where
    there are some.
    """
    evaluation = plan.evaluation and plan.evaluation.to_fields()
    fields = {**asdict(plan), "task": plan.task.to_fields(), "evaluation": evaluation}
    return {key: value for key, value in fields.items() if key != "init" or value is not None}


PLAN = samples.plan(
    samples.WINDOW_PRIVACY,
    evaluation=EvaluationPlan(3.0, 4.0, 2.0),
    compression=Compression(0.1),
)
OTHER = replace(
    PLAN,
    run="r2",
    task=Task("t2", ("z",), ("m",), 1.0, (3,), ("one", "two"), (1.0,), (2.0,), 3),
    net=NetSpec("models.nets.mlp.Mlp", {"hidden": [2]}),
    training=TrainingPlan("adam", 0.2, 0.1, 0.1, 9, 2, 0.1, "cosine"),
    privacy=WindowPrivacyPlan(2.0, 2.0, 0.5, 9, 16.0, 1e-6, 1.0, "prv", "uniform", "reading", 3),
    rounds=6,
    seed=None,
    evaluation=EvaluationPlan(4.0, 5.0, 1.0),
    compression=Compression(1.0),
)


SITE_PLAN = samples.plan(replace(samples.SITE_PRIVACY, adaptive_clipping=samples.ADAPTIVE))
OTHER_SITE_PLAN = replace(
    OTHER,
    evaluation=None,
    compression=None,
    privacy=SitePrivacyPlan(
        2.0, 2.0, "server", 0.7, 7, 1e-6, 1.0, "prv", "uniform", AdaptiveClipping(0.6, 0.3, 3.0)
    ),
)

ONE_VALUE = {("privacy", "weights"), ("privacy", "noise"), ("evaluation",), ("compression",)}
"""One value under DP; noise=site does not go with adaptive clipping, nor an evaluation or
a compression with the server's noise."""
CHANGEABLE = [
    (plan, other, path)
    for plan, other in ((PLAN, OTHER), (SITE_PLAN, OTHER_SITE_PLAN))
    for path in leaves(fields_of(plan))
    if path not in ONE_VALUE and not (plan is SITE_PLAN and path == ("privacy", "unit"))
]


@pytest.mark.parametrize(
    ("plan", "another", "path"),
    CHANGEABLE,
    ids=["/".join((plan.privacy.unit, *path)) for plan, _, path in CHANGEABLE],
)
def test_any_change_of_a_plan_changes_its_digest(
    plan: RunPlan, another: RunPlan, path: tuple[str, ...]
) -> None:
    changed, other = json.loads(plan.to_json()), json.loads(another.to_json())
    target = changed
    for key in path[:-1]:
        target, other = target[key], other[key]
    assert target[path[-1]] != other[path[-1]]
    target[path[-1]] = other[path[-1]]
    assert RunPlan.from_json(json.dumps(changed)).digest() != plan.digest()


def test_the_kind_of_a_task_is_told_where_it_is_no_classification() -> None:
    kinds = [KindSpec(), KindSpec.of("regression", high=1.0), KindSpec.of("regression", high=2.0)]
    plans = [replace(PLAN, task=replace(PLAN.task, kind=kind)) for kind in kinds]
    assert "kind" not in json.loads(plans[0].to_json())["task"]
    assert len({plan.digest() for plan in plans}) == 3
    assert [RunPlan.from_json(plan.to_json()) for plan in plans] == plans


def test_details_of_an_evaluation_are_told_where_there_are_some() -> None:
    evaluation = EvaluationPlan(3.0, 4.0, 2.0, details=True)
    plan = replace(PLAN, evaluation=evaluation)
    assert "details" not in json.loads(PLAN.to_json())["evaluation"]
    assert RunPlan.from_json(plan.to_json()) == plan
    assert plan.digest() != PLAN.digest()
    with pytest.raises(InvalidConfiguration, match=r"evaluation\.details"):
        replace(evaluation, details="yes")  # type: ignore[arg-type]


@given(text=st.text() | json_values.map(json.dumps))
def test_text_that_is_no_plan_is_said_to_be_none(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="not a plan"):
        RunPlan.from_json(text)


@pytest.mark.parametrize(
    "path",
    sorted({*leaves(fields_of(PLAN)), *leaves(fields_of(SITE_PLAN))} - {("net", "options")}),
    ids="/".join,
)
def test_plan_with_a_missing_field_is_refused(path: tuple[str, ...]) -> None:
    plan = PLAN if path in leaves(fields_of(PLAN)) else SITE_PLAN
    fields = json.loads(plan.to_json())
    target = fields
    for key in path[:-1]:
        target = target[key]
    del target[path[-1]]
    with pytest.raises(InvalidConfiguration, match="not a plan"):
        RunPlan.from_json(json.dumps(fields))


@settings(max_examples=15, deadline=None)
@given(
    epsilon=st.floats(0.3, 20),
    delta=st.sampled_from([1e-4, 1e-5, 1e-7]),
    rate=st.floats(0.002, 1),
    steps=st.integers(1, 3000),
)
def test_calibrated_noise_never_passes_the_limit_and_is_tight(
    epsilon: float, delta: float, rate: float, steps: int
) -> None:
    noise = calibrate_noise(epsilon, delta, rate, steps, "rdp")
    spent = epsilon_of([Spend(noise, rate, steps)], delta, "rdp")
    assert 0.995 * epsilon <= spent <= epsilon


@settings(max_examples=25, deadline=None)
@given(
    rounds=st.integers(1, 200),
    steps=st.integers(1, 50),
    noise=st.sampled_from([0.8, 1.0, 2.0]),
    rate=st.sampled_from([0.01, 0.1, 1.0]),
)
def test_composed_epsilon_grows_with_every_round_and_less_than_in_proportion(
    rounds: int, steps: int, noise: float, rate: float
) -> None:
    def after(count: int) -> float:
        return epsilon_of([Spend(noise, rate, steps)] * count, 1e-5, "rdp")

    assert after(rounds) < after(rounds + 1) <= (rounds + 1) * after(1) * (1 + 1e-9)
    assert after(rounds) == epsilon_of([Spend(noise, rate, steps * rounds)], 1e-5, "rdp")
    assert math.isfinite(after(rounds))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rounds": 0}, "rounds=0"),
        ({"rounds": -1}, "rounds=-1"),
        ({"rounds": 10**400}, "rounds="),
        ({"rounds": True}, "rounds=True"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 0.5}, "seed=0.5"),
        ({"net": {"target": 3, "options": {}}}, "a net has a name"),
        ({"net": {"target": "models.nets.mlp.Mlp", "options": 5}}, "a net has a name"),
    ],
)
def test_what_a_server_may_not_ask_for_is_refused(changes: dict[str, Any], named: str) -> None:
    fields = {**json.loads(samples.plan().to_json()), **changes}
    with pytest.raises(InvalidConfiguration, match=named):
        RunPlan.from_json(json.dumps(fields))
