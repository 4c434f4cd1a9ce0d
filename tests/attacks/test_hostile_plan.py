"""A hostile server sends a few bytes of plan that ask for gigabytes or hours: refused at once.

What is refused was never built: no array beyond the parameters that came with the plan was touched.
"""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from flwr.app import ConfigRecord, RecordDict
from flwr.supercore.inflatable.inflatable_utils import pull_objects
from torch import nn

from fl_client.federation.bounds import Bounded, MessageTooLarge
from fl_client.ledger.ledger import Charge
from fl_client.site.participation import Site, any_plan
from fl_client.training.poisson import check_poisson
from fl_client.training.randomness import draw_batches
from fl_common.errors import InvalidConfiguration
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import AccountantName
from fl_common.vocabulary import NetSpec, Parameters, Refusal, RefusalReason
from fl_common.wire.summary import read_run, read_work
from models.nets import build_net, parameters_of
from models.nets.limits import check_options, within
from tests.support import samples
from tests.support.box import Box, device_plan, trainer_of
from tests.support.local_training import own_net
from tests.unit.models.net_examples import EXAMPLES, example

SMALL = {"weight": np.zeros((3, 16), np.float32), "bias": np.zeros(3, np.float32)}
MANY = {str(number): np.zeros(1, np.float32) for number in range(10_000)}
MLP = "models.nets.mlp.Mlp"
CNN = "models.nets.cnn1d.Cnn1d"
NEVER_BUILT = {
    "huge layers": (MLP, {"hidden": [9000, 9000], "activation": "relu"}, SMALL),
    "a layer beyond any memory": (MLP, {"hidden": [2**20, 2**20], "activation": "relu"}, SMALL),
    "a number beyond any memory": (MLP, {"hidden": [10**15], "activation": "relu"}, SMALL),
    "a hundred thousand layers": (MLP, {"hidden": [4] * 100_000, "activation": "relu"}, MANY),
    "a huge recurrent net": ("models.nets.gru.Gru", {"hidden": 9000, "readings": 1}, SMALL),
    "a huge kernel": (
        CNN,
        {"widths": [16], "kernel": 999_999, "norm": "none", "groups": 1, "activation": "relu"},
        SMALL,
    ),
    "a long text": (MLP, {"hidden": [4], "activation": "relu" * 10_000}, SMALL),
    "lists in lists": (MLP, {"hidden": [[[[[[4]]]]]], "activation": "relu"}, SMALL),
}


def refused(folder: Path, plan: RunPlan, parameters: Parameters) -> Refusal:
    box = Box(folder, trainer_of("cohort"))
    site = Site("anna", -1, samples.windows, samples.windows, any_plan)
    mechanism = plan.privacy.update_mechanism
    clip_norm = None if mechanism is None else mechanism.clip_norm
    (answer,) = box.participation.answer([(site, Instruction(plan, 1, parameters, clip_norm))])
    assert isinstance(answer, Refusal), answer
    assert box.spent() == 0.0
    return answer


@pytest.mark.parametrize("case", NEVER_BUILT.values(), ids=NEVER_BUILT)
def test_a_net_beyond_its_parameters_is_refused_before_it_is_built(
    tmp_path: Path, case: tuple[str, dict[str, Any], Parameters], monkeypatch: pytest.MonkeyPatch
) -> None:
    target, options, parameters = case
    filled: list[int] = []
    uniform = torch.Tensor.uniform_

    def watched(self: torch.Tensor, *args: Any, **named: Any) -> torch.Tensor:
        filled.append(self.numel())
        return uniform(self, *args, **named)

    monkeypatch.setattr(torch.Tensor, "uniform_", watched)
    answer = refused(tmp_path, device_plan(net=NetSpec(target, options)), parameters)
    assert answer.reason == RefusalReason.PLAN
    assert sum(filled) < 2**20


def test_an_installed_net_of_many_small_layers_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def deep() -> nn.Module:
        def layer() -> nn.Module:
            made.append(1)
            return nn.Identity()

        return nn.Sequential(*(layer() for _ in range(10_000)))

    net = own_net(monkeypatch, deep)
    assert refused(tmp_path, device_plan(net=net), SMALL).reason == RefusalReason.PLAN


@pytest.mark.parametrize(
    ("named", "rule"),
    [
        ('"steps":4', '"steps":2000000'),
        ('"local_epochs":1', '"local_epochs":2000000'),
        ('"batch_size":8', '"batch_size":1000000000000'),
    ],
)
def test_a_plan_of_too_much_work_is_no_plan(named: str, rule: str) -> None:
    text = device_plan().to_json()
    assert named in text
    with pytest.raises(InvalidConfiguration, match="must be a whole number from 1 to"):
        RunPlan.from_json(text.replace(named, rule))


def test_more_noise_than_a_round_may_draw_is_refused(tmp_path: Path) -> None:
    privacy = replace(samples.WINDOW_PRIVACY, steps=100_000, epsilon_limit=1e6)
    plan = device_plan(privacy, net=NetSpec(MLP, {"hidden": [1000, 1000], "activation": "relu"}))
    parameters = parameters_of(build_net(plan.net, plan.task))
    assert refused(tmp_path, plan, parameters).reason == RefusalReason.PLAN


@pytest.mark.parametrize(
    ("privacy", "training"),
    [
        (replace(samples.WINDOW_PRIVACY, steps=100_000, epsilon_limit=1e6), {}),
        (replace(samples.SITE_PRIVACY, noise="site"), {"local_epochs": 10_000, "batch_size": 1}),
    ],
    ids=["window", "site"],
)
def test_a_round_of_thousands_of_passes_is_refused(
    tmp_path: Path, privacy: Any, training: Any
) -> None:
    """All batches of a round are kept: beside 100 windows they took half a gigabyte."""
    plan = samples.plan(privacy, training, seed=None)
    parameters = parameters_of(build_net(plan.net, plan.task))
    assert refused(tmp_path, plan, parameters).reason == RefusalReason.PLAN


def test_the_check_of_many_sparse_batches_takes_no_memory_to_speak_of() -> None:
    """A plan of 100,000 steps took 4 GiB beside 1,000 windows, and more beside more."""
    privacy = replace(samples.WINDOW_PRIVACY, sampling_rate=1e-6, steps=5000, expected_batch=0.01)
    batches = draw_batches(samples.plan(privacy, seed=None), "anna", 1, 4000)
    tracemalloc.start()
    try:
        check_poisson(batches, 4000, privacy.sample_mechanism)
        assert tracemalloc.get_traced_memory()[1] < 10 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["rdp", "prv"])
@pytest.mark.parametrize(("noise", "rate"), [(0.5, 1.0), (0.05, 1e-4), (1e4, 1e-9)])
def test_the_accounting_of_a_plan_takes_no_memory_to_speak_of(
    tmp_path: Path, name: AccountantName, noise: float, rate: float
) -> None:
    """Eight hundred bytes of plan once asked the accountant for 210 GiB."""
    privacy = replace(
        samples.WINDOW_PRIVACY, noise_multiplier=noise, sampling_rate=rate, steps=10_000,
        accountant=name, epsilon_limit=0.01, delta=1e-15,
    )  # fmt: skip
    box = Box(tmp_path, trainer_of("cohort"))
    charge = Charge(
        site="anna", run="run", round=0, plan="digest", privacy=privacy, blocks=("monday",),
        repeatable=False, rounds=10**9,
    )  # fmt: skip
    tracemalloc.start()
    try:
        (answer,) = box.ledger.debit([charge])
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(answer, Refusal) == (noise < 1)


@pytest.mark.parametrize(("name", "task"), EXAMPLES)
def test_each_net_of_ours_is_built_within_its_own_parameters(name: str, task: Any) -> None:
    net = example(name, task)
    with within(parameters_of(net)):
        example(name, task)


def test_usual_options_are_within_the_limits() -> None:
    check_options({"widths": [16, 32, 32], "kernel": 5, "norm": "group", "rate": 1e-3, "x": None})


@pytest.mark.parametrize("plan", ["[" * 100_000, '{"run":' * 100_000, "1" * 10_000, "null", "{}"])
def test_a_plan_without_end_ends_no_link(plan: str) -> None:
    """The link looks into a message before the trainer does; what ended it here shut a box out."""
    content = RecordDict({"head": ConfigRecord({"plan": plan})})
    assert (read_run(content), read_work(content)) == (None, None)


def test_a_message_is_pulled_no_further_than_its_bound() -> None:
    pulled: list[str] = []

    def part(number: str) -> bytes:
        pulled.append(number)
        return bytes(400)

    pull = Bounded(part, most=1000)
    assert [len(pull(number)) for number in "ab"] == [400, 400]
    with pytest.raises(MessageTooLarge):
        pull_objects([str(number) for number in range(1000)], pull)
    assert len(pulled) < 200, "the threads stop at the part that is too much"
