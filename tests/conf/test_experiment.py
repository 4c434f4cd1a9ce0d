"""A recipe that ships is the recipe that was measured, and can still be changed from outside."""

from dataclasses import replace
from typing import Any

import pytest
from omegaconf import OmegaConf

from fl_client.windows.grid import windows_per_reading
from fl_common.compression.quantisation import Compression
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.plugins.build import build
from fl_common.privacy.accounting import epsilon_of
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_server.build import FleetFacts, build_plan
from fl_server.cloud.build import read_config
from fl_server.optimisers.averaging import FedAvg, FedAvgM
from models import tasks
from tests.conf.test_compose import CONF, composed

PERSONS = FleetFacts(21, 345, 409)
"""UCI HAR's training persons, and the fewest and most windows of one."""


def values(*overrides: str) -> dict[str, Any]:
    found = OmegaConf.to_container(composed(*overrides), resolve=True)
    assert isinstance(found, dict)
    return {str(key): value for key, value in found.items()}


def har(*overrides: str) -> RunPlan:
    return build_plan(values(*overrides), "run", tasks.activity(), PERSONS)


def private(plan: RunPlan) -> WindowPrivacyPlan:
    assert isinstance(plan.privacy, WindowPrivacyPlan)
    return plan.privacy


def test_no_recipe_is_without_a_test() -> None:
    recipes = {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    har = {"activity_topk", "har_private", "har_without_privacy"}
    assert recipes == {*har, "opacus_mnist", "scatter_mnist"}


@pytest.mark.parametrize("privacy", ["window", "none"])
def test_the_recipe_for_a_tenth_of_each_update(privacy: str) -> None:
    asked = ("experiment=activity_topk", f"privacy={privacy}")
    plan, plain = har(*asked), har("task=activity", f"privacy={privacy}")
    assert plan.compression == Compression(0.1)
    assert replace(plan, compression=None) == plain
    assert values(*asked)["strategy"]["optimiser"] == {
        "_target_": f"{FedAvgM.__module__}.FedAvgM",
        "learning_rate": 3.0,
        "momentum": 0.5,
    }


def test_the_private_recipe_for_activities() -> None:
    plan = har("experiment=har_private")
    assert plan.net.target == "models.nets.features.Features"
    training, privacy = plan.training, private(plan)
    assert (plan.rounds, privacy.steps, privacy.sampling_rate, privacy.clip_norm) == (30, 2, 1, 1)
    assert (training.optimizer, training.learning_rate, training.momentum) == ("sgd", 0.4, 0.0)
    assert (training.schedule, training.weight_decay, training.proximal_mu) == ("constant", 0, 0)
    assert (privacy.epsilon_limit, privacy.delta, privacy.weights) == (8.0, 1e-5, "uniform")
    node = values("experiment=har_private")
    assert node["strategy"]["optimiser"] == {
        "_target_": f"{FedAvgM.__module__}.FedAvgM",
        "learning_rate": 1.0,
        "momentum": 0.9,
    }
    assert node["world"]["_target_"] == "simulate.world.activity.Activity"
    assert node["training"]["trainer"]["_target_"].endswith(".CohortTrainer")


@pytest.mark.parametrize(
    ("epsilon", "noise"), [(8.0, 4.939), (4.0, 8.966), (2.0, 16.65), (1.0, 31.34)]
)
def test_one_recipe_serves_every_epsilon(epsilon: float, noise: float) -> None:
    plan = har("experiment=har_private", f"privacy.epsilon={epsilon}")
    privacy = private(plan)
    assert privacy.noise_multiplier == pytest.approx(noise, rel=1e-3)
    spends = [privacy.spend_per_round] * plan.rounds
    spent = epsilon_of(spends, privacy.delta, privacy.accountant)
    assert epsilon * 0.999 < spent <= epsilon


def test_what_is_given_on_the_command_line_comes_before_the_recipe() -> None:
    plan = har("experiment=har_private", "rounds=7", "training.learning_rate=0.1", "net=logistic")
    assert (plan.rounds, plan.training.learning_rate) == (7, 0.1)
    assert plan.net.target.endswith(".Logistic")
    assert isinstance(har("experiment=har_private", "privacy=none").privacy, NoPrivacy)


def test_the_recipe_without_privacy_has_the_same_net_and_server() -> None:
    plan, node = har("experiment=har_without_privacy"), values("experiment=har_without_privacy")
    assert isinstance(plan.privacy, NoPrivacy)
    assert plan.net == har("experiment=har_private").net
    assert node["strategy"] == values("experiment=har_private")["strategy"]
    assert (plan.rounds, plan.training.learning_rate, plan.training.batch_size) == (50, 0.05, 32)


def test_the_settings_that_opacus_publishes_for_mnist() -> None:
    node = values("experiment=opacus_mnist")
    plan = build_plan(node, "run", tasks.digits(), FleetFacts(1, 60_000, 60_000))
    privacy = private(plan)
    assert (node["sites"], plan.rounds, privacy.steps) == (1, 15, 240)
    assert privacy.sampling_rate * 60_000 == pytest.approx(250)
    assert (privacy.noise_multiplier, privacy.clip_norm, privacy.delta) == (1.3, 1.5, 1e-5)
    assert (plan.training.learning_rate, plan.training.momentum) == (0.25, 0.0)
    assert node["strategy"]["optimiser"]["_target_"] == f"{FedAvg.__module__}.FedAvg"
    spent = epsilon_of([privacy.spend_per_round] * plan.rounds, privacy.delta, privacy.accountant)
    assert spent < privacy.epsilon_limit == 1.19  # published, by an older conversion


def test_the_recipe_for_images() -> None:
    node = values("experiment=scatter_mnist")
    plan = build_plan(node, "run", tasks.digits(), FleetFacts(1, 60_000, 60_000))
    privacy = private(plan)
    assert (node["sites"], plan.rounds, privacy.steps) == (1, 40, 15)
    assert privacy.sampling_rate * 60_000 == pytest.approx(4000)
    assert (plan.net.target, dict(plan.net.options)) == (
        "models.nets.scatter.Scatter",
        {"angles": 8},
    )
    assert (plan.training.learning_rate, plan.training.schedule) == (12.0, "cosine")
    spent = epsilon_of([privacy.spend_per_round] * plan.rounds, privacy.delta, privacy.accountant)
    assert spent == pytest.approx(privacy.epsilon_limit, rel=1e-3)
    assert privacy.epsilon_limit == 2.93  # as published


@pytest.mark.parametrize("unit", ["window", "reading"])
def test_a_server_as_shipped_counts_the_windows_that_a_box_as_shipped_cuts(unit: str) -> None:
    server = read_config(None, ["privacy.site_windows=1000", f"privacy.unit={unit}"])
    task = tasks.wearables()
    plan = build_plan(server, "run", task, FleetFacts(server["sites"], None, None))
    node = OmegaConf.to_container(OmegaConf.load(CONF / "node.yaml"))
    assert isinstance(node, dict)
    assert node["task"] == server["task"] == {"_target_": "models.tasks.wearables"}
    cut = windows_per_reading(task, build(node["windows"]))
    assert private(plan).windows_per_reading == cut == 3 > task.windows_per_reading


def test_a_plan_counts_no_fewer_windows_than_the_task_declares() -> None:
    assert private(har("privacy.windows_per_reading=1")).windows_per_reading == 2
    assert private(har("privacy.windows_per_reading=5")).windows_per_reading == 5
    with pytest.raises(InvalidConfiguration, match=r"privacy\.windows_per_reading=0"):
        har("privacy.windows_per_reading=0")
