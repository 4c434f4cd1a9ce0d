"""Code of a person's own that leaves out the noise, or says what it costs: nothing is published."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fl_client.training import LocalTask
from fl_client.training.build import build_trainer
from fl_client.training.cohort import CohortTrainer
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import Booking, Guarantee, check_answers
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import LocalUpdate, Refusal
from simulate import configure, run
from tests.support import samples

QUICK = ("sites=3", "rounds=1", "net=logistic", "engine.workers=1")


class Noiseless(CohortTrainer):
    """Would train as if there were no DP, and is never asked."""

    def __init__(self, memory_budget_mib: int = 64) -> None:
        super().__init__(memory_budget_mib)

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        """Fail the test."""
        raise AssertionError("a trainer that nobody verified was asked to train")


class Disguised(Noiseless):
    """With the name of a trainer of ours."""


Disguised.__module__, Disguised.__qualname__ = "fl_client.training.cohort", "CohortTrainer"


def node(kind: str) -> dict[str, Any]:
    return {"_target_": f"{__name__}.{kind}"}


@pytest.mark.parametrize("kind", ["Noiseless", "Disguised"])
def test_no_run_with_dp_begins_with_it(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "run"
    config = configure(*QUICK, f"training.trainer._target_={__name__}.{kind}")
    with pytest.raises(InvalidConfiguration, match="samples, clips and adds the noise"):
        run(config, folder=folder)
    assert not folder.exists()


def test_a_box_is_not_built_with_it() -> None:
    with pytest.raises(InvalidConfiguration, match="is not of this package"):
        build_trainer(node("Noiseless"))


def test_ours_are_taken() -> None:
    ours = {"_target_": "fl_client.training.cohort.CohortTrainer", "memory_budget_mib": 64}
    assert type(build_trainer(ours)) is CohortTrainer


class Plain(CohortTrainer):
    """An own trainer without another behaviour."""


def test_where_the_noise_is_not_the_trainers_one_may_be_ones_own(tmp_path: Path) -> None:
    for privacy in (["privacy=none"], ["privacy=site", "privacy.epsilon=50"]):
        folder = tmp_path / privacy[0]
        config = configure(*QUICK, *privacy, f"training.trainer._target_={__name__}.Plain")
        assert run(config, folder=folder).summary["rounds"] == 1


class Cheap(WindowPrivacyPlan):
    """A unit that books nothing."""

    def booking(self, round_: int, rounds: int, blocks: tuple[str, ...]) -> Booking:
        """No blocks."""
        return Booking(round_, 1, (), is_once=True)


class Flattered(Guarantee):
    """A guarantee that reports half."""


class Half(SampleMechanism):
    """A mechanism with its own word on its price."""


@pytest.mark.parametrize("kind", ["booking", "guarantee", "sample_mechanism"])
def test_a_unit_has_no_word_of_its_own_on_its_price(kind: str) -> None:
    fields = {name: getattr(samples.WINDOW_PRIVACY, name) for name in _FIELDS}
    odd: Any = Cheap
    if kind == "guarantee":
        odd = _with(kind, lambda plan: Flattered(**vars(WindowPrivacyPlan.guarantee.fget(plan))))  # type: ignore[attr-defined]
    elif kind == "sample_mechanism":
        odd = _with(kind, lambda plan: Half(**vars(WindowPrivacyPlan.sample_mechanism.fget(plan))))  # type: ignore[attr-defined]
    with pytest.raises(InvalidConfiguration, match=f"has a {kind} of its own"):
        check_answers(odd(**fields))
    check_answers(WindowPrivacyPlan(**fields))


_FIELDS = tuple(WindowPrivacyPlan.__dataclass_fields__)


def _with(name: str, value: Any) -> type[WindowPrivacyPlan]:
    return type("Own", (WindowPrivacyPlan,), {name: property(value)})
