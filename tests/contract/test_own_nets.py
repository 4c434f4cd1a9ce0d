"""Networks of others: both trainers train or refuse the same, and a refusal says what is wrong."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from opacus.layers import DPGRU
from torch import nn

from fl_client.training import LocalTask, checks
from fl_client.training.cohort import CohortTrainer
from fl_client.training.opacus import OpacusTrainer
from fl_client.training.prepared import net_for
from fl_common.vocabulary import LocalUpdate, Refusal, RefusalReason
from tests.support import samples
from tests.support.local_training import own_net
from tests.support.trainers import PRIVACIES, QUIET, assert_close

SEQUENCES = {nn.RNN, nn.LSTM, nn.GRU, DPGRU, nn.MultiheadAttention}


class Body(nn.Module):
    """A linear layer, or one of sequences and a linear layer, and what is made of the logits."""

    def __init__(self, made: Callable[..., Any], layer: type[nn.Module] = nn.Linear) -> None:
        super().__init__()
        self.made, self.is_sequence = made, layer in SEQUENCES
        self.is_attention = layer is nn.MultiheadAttention
        if self.is_sequence:
            sizes = (2, 1) if self.is_attention else (2, 4)
            self.layer = layer(*sizes, batch_first=True)
        self.last = nn.Linear(sizes[1] * (1 + self.is_attention) if self.is_sequence else 16, 3)

    def forward(self, values: torch.Tensor) -> Any:
        if self.is_sequence:
            steps = values.view(-1, 8, 2)
            seen = self.layer(steps, steps, steps) if self.is_attention else self.layer(steps)
            values = seen[0].mean(1)
        return self.made(self.last(values), values)


def unused() -> nn.Module:
    body = nn.Sequential(nn.Linear(16, 3))
    body.register_parameter("spare", nn.Parameter(torch.ones(2)))
    return body


def raises(logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    raise KeyError("gain")


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "fewer outputs": (lambda: nn.Linear(16, 2), r"the output, float32 \(2, 2\).*\(N, 3\)"),
    "more outputs": (lambda: nn.Linear(16, 4), r"\(2, 4\) for 2 windows.*each label of task toy"),
    "mean over windows": (lambda: Body(lambda out, _: out.mean(0)), r"float32 \(3\)"),
    "tuple": (lambda: Body(lambda out, values: (out, values)), "the output, a tuple"),
    "float64 out": (lambda: Body(lambda out, _: out.double()), "the output, float64"),
    "float64": (lambda: nn.Linear(16, 3).double(), "weight.*is float64.*Leave out .double()"),
    "bf16": (lambda: nn.Linear(16, 3).bfloat16(), "weight.*is bfloat16"),
    "lazy": (lambda: nn.LazyLinear(3), "has no size before the first window.*Give the layer"),
    "unused": (unused, "parameter spare.*takes no part in the output.*freeze it"),
    "detached": (lambda: Body(lambda out, _: out.detach()), "does not require grad"),
    "raises": (lambda: Body(raises), "KeyError: 'gain'"),
    "old weight_norm": (lambda: torch.nn.utils.weight_norm(nn.Linear(16, 3)), "deepcopy"),
}
"""By no trainer, with DP or without; each with words of the reason."""

NOT_PRIVATE: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "rnn": (lambda: Body(lambda out, _: out, nn.RNN), r"layer layer \(RNN\).*Use DPRNN"),
    "lstm": (lambda: Body(lambda out, _: out, nn.LSTM), r"\(LSTM\).*Use DPLSTM"),
    "gru": (lambda: Body(lambda out, _: out, nn.GRU), r"\(GRU\).*Use DPGRU"),
    "attention": (
        lambda: Body(lambda out, _: out, nn.MultiheadAttention),
        "Use DPMultiheadAttention",
    ),
    "batch norm": (
        lambda: nn.Sequential(nn.BatchNorm1d(16), nn.Linear(16, 3)),
        "Use GroupNorm for BatchNorm, or privacy=none",
    ),
    "in place": (
        lambda: nn.Sequential(Body(lambda out, _: torch.relu_(out)), nn.Linear(3, 3)),
        "change nothing in place",
    ),
}
"""Not with DP-SGD; without it both train them alike."""

TRAINED: dict[str, Callable[[], nn.Module]] = {
    **{f"{name}, plain": body_of for name, (body_of, _) in NOT_PRIVATE.items()},
    "dpgru": lambda: Body(lambda out, _: out, DPGRU),
    "weight_norm": lambda: torch.nn.utils.parametrizations.weight_norm(nn.Linear(16, 3)),
    "relu in place": lambda: nn.Sequential(
        nn.Linear(16, 4), nn.ReLU(inplace=True), nn.Linear(4, 3)
    ),
}


def task_of(
    monkeypatch: pytest.MonkeyPatch, body_of: Callable[[], nn.Module], privacy: Any
) -> LocalTask:
    plan = samples.plan(privacy, net=own_net(monkeypatch, body_of))
    tensors = net_for(plan).body.named_parameters()
    lazy = nn.parameter.is_lazy
    parameters = {name: p.detach().float().numpy().copy() for name, p in tensors if not lazy(p)}
    buffers = net_for(plan).body.named_buffers()
    parameters |= {name: b.numpy().copy() for name, b in buffers if b.is_floating_point()}
    return LocalTask(plan, "anna", 1, parameters, samples.windows(32))


@PRIVACIES
@pytest.mark.parametrize(("body_of", "words"), REFUSED.values(), ids=REFUSED)
def test_a_net_that_no_trainer_can_train_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, body_of: Callable[[], nn.Module], words: str, privacy: Any
) -> None:
    assert_refused(task_of(monkeypatch, body_of, privacy), RefusalReason.PLAN, words)


@pytest.mark.parametrize(("body_of", "words"), NOT_PRIVATE.values(), ids=NOT_PRIVATE)
def test_a_layer_that_dp_excludes_is_told_with_its_own_remedy(
    monkeypatch: pytest.MonkeyPatch, body_of: Callable[[], nn.Module], words: str
) -> None:
    assert_refused(task_of(monkeypatch, body_of, QUIET), RefusalReason.PRIVACY, words)


@PRIVACIES
@pytest.mark.parametrize("name", TRAINED)
def test_what_one_trains_the_other_trains(
    monkeypatch: pytest.MonkeyPatch, name: str, privacy: Any
) -> None:
    if "plain" in name and privacy is QUIET:
        privacy = samples.PUBLIC
    task = task_of(monkeypatch, TRAINED[name], privacy)
    one, other = OpacusTrainer().train([task])[0], CohortTrainer(64).train([task])[0]
    assert isinstance(one, LocalUpdate), one
    assert isinstance(other, LocalUpdate), other
    assert_close(other, one, 1e-3, 1e-4)


def assert_refused(task: LocalTask, reason: RefusalReason, words: str) -> None:
    one, other = OpacusTrainer().train([task])[0], CohortTrainer(64).train([task])[0]
    assert isinstance(one, Refusal)
    assert one == other
    assert one.reason is reason
    assert re.search(words, one.detail), one.detail


class Sprung(nn.Module):
    """Raises in training alone: where a window holds what no trial has."""

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        if len(values) > 2:
            raise ZeroDivisionError("the gain is 0")
        return values


def test_what_training_raises_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checks, "_RAISED", set())
    task = task_of(monkeypatch, lambda: nn.Sequential(Sprung(), nn.Linear(16, 3)), samples.PUBLIC)
    for trainer in (OpacusTrainer(), CohortTrainer(64)):
        assert isinstance(trainer.train([task])[0], Refusal)
    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.getMessage() for record in told] == [
        "run run, round 1: training at site anna raised ZeroDivisionError: the gain is 0"
        " (told once)"
    ]
