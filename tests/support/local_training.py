"""Local tasks and throw-away nets for tests of trainers."""

import sys
import types
from collections.abc import Callable

import numpy as np
import pytest
from torch import nn

from fl_client.training import LocalTask, Trainer
from fl_client.training.prepared import net_for
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate, NetSpec, Refusal, RefusalReason, Task
from models.nets import Net, parameters_of
from tests.support import samples


class OwnNet(Net):
    """Flattened windows into the body that a test gives."""

    body_of: Callable[[], nn.Module]

    def __init__(self, task: Task) -> None:
        super().__init__(nn.Flatten(), type(self).body_of())


def own_net(monkeypatch: pytest.MonkeyPatch, body_of: Callable[[], nn.Module]) -> NetSpec:
    """The name of a net for this test: names are looked up under ``models.nets``."""
    name = f"models.nets.for_test_{id(body_of)}"
    fresh = types.ModuleType(name)
    vars(fresh)["Own"] = type("Own", (OwnNet,), {"body_of": staticmethod(body_of)})
    monkeypatch.setitem(sys.modules, name, fresh)
    return NetSpec(f"{name}.Own")


def local_task(plan: RunPlan, site: str = "anna", round_: int = 1, count: int = 32) -> LocalTask:
    """The plan's fresh net on ``count`` toy windows."""
    return LocalTask(plan, site, round_, parameters_of(net_for(plan)), samples.windows(count))


def train(trainer: Trainer, asked: LocalTask) -> LocalUpdate:
    """The update; a refusal fails the test."""
    answer = trainer.train([asked])[0]
    assert isinstance(answer, LocalUpdate), answer
    return answer


def refused(trainer: Trainer, asked: LocalTask, reason: RefusalReason) -> str:
    """The detail of a refusal for ``reason``; anything else fails the test."""
    answer = trainer.train([asked])[0]
    assert isinstance(answer, Refusal)
    assert (answer.site, answer.round, answer.reason) == (asked.site, asked.round, reason)
    return answer.detail


def equal(left: LocalUpdate, right: LocalUpdate) -> bool:
    """True when both updates are the same to the bit."""
    return all(np.array_equal(left.delta[name], right.delta[name]) for name in left.delta)
