"""A hostile server asks anything, in any order: whether and how a site answers tells it nothing.

Sites with very different data get the same questions. The kind of each answer, its reason and text,
its form, and what the ledger was charged must be the same. What an update's numbers tell is bounded
by the noise, and is tested where the noise is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fl_client.components.comparison import Comparison, ShadowObservation
from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Reply, Site, any_plan
from fl_client.site.shortfalls import FILE, read_shortfalls
from fl_client.training import LocalTask
from fl_client.training.prepared import net_for
from fl_common.compression.quantisation import Compression
from fl_common.errors import InvalidConfiguration, StoreError
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.vocabulary import (
    Evaluation,
    LocalUpdate,
    Refusal,
    RefusalReason,
    ShadowCounts,
    Windows,
)
from fl_common.wire import messages as wire
from models.nets import parameters_of
from tests.support import samples
from tests.support.box import KINDS, trainer_of

DAYS = ("2026-01-01", "2026-01-02")
BY_SITE = replace(
    samples.SITE_PRIVACY, noise="site", noise_multiplier=20.0, epsilon_limit=8.0
)  # fmt: skip
COUNTS = EvaluationPlan(noise_multiplier=20.0, loss_limit=4.0, epsilon_limit=8.0)


def days_of(windows: Windows) -> Windows:
    return replace(windows, block_of=np.arange(len(windows)) % 2, blocks=DAYS)


def unreadable() -> Windows:
    raise StoreError("patient-4711/site.sqlite: disk I/O error")


def broken() -> Windows:
    raise MemoryError("3 windows of label falling")


def spoilt(**changes: Any) -> Windows:
    return replace(days_of(samples.windows(40)), **changes)


DATA: Mapping[str, Callable[[], Windows]] = {
    "500 windows": lambda: days_of(samples.windows(500)),
    "501 windows": lambda: days_of(samples.windows(501)),
    "one window": lambda: days_of(samples.windows(1)),
    "no window": lambda: days_of(samples.windows(1)).take(np.arange(0)),
    "no block": lambda: samples.windows(1).take(np.arange(0)),
    "an unknown label": lambda: spoilt(labels=np.full(40, 7, np.int64)),
    "not a number": lambda: spoilt(values=np.full((40, 8, 2), np.nan, np.float32)),
    "another shape": lambda: spoilt(values=np.zeros((40, 5, 2), np.float32)),
    "other days": lambda: spoilt(blocks=("1999-12-31", "2055-01-01")),
    "an unreadable store": unreadable,
    "no memory": broken,
}


class Victim:
    """A site with some data, on a ledger of its own."""

    def __init__(self, folder: Path, read: Callable[[], Windows], trainer: Any = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ledger = Ledger(folder / "ledger.sqlite", lambda: 7.0, "anna")
        self._participation = Participation(self.ledger, trainer or trainer_of("cohort"))
        self.site = Site(
            "anna", -1, read, read, any_plan, self._comparison,
            training_blocks=lambda: DAYS, held_out_blocks=lambda: DAYS,
        )  # fmt: skip

    def _comparison(self, candidate: str | None) -> Comparison | None:
        return Comparison(self.site.held_out_windows, self._compare) if candidate else None

    @staticmethod
    def _compare(values_N: Any) -> Sequence[ShadowObservation]:
        return [ShadowObservation(True, False)] * len(values_N)

    def trains(self, plan: RunPlan, round_: int = 1) -> Reply:
        (answer,) = self._participation.answer([(self.site, asked(plan, round_))])
        return answer

    def evaluates(self, plan: RunPlan) -> Evaluation | Refusal:
        return self._participation.evaluate(self.site, asked(plan, 1))

    def shadows(self, plan: RunPlan) -> ShadowCounts | Refusal:
        instruction = replace(asked(plan, 1), candidate="ca" * 32)
        return self._participation.shadow(self.site, instruction)

    def charged(self) -> dict[str, Any]:
        return self.ledger.histories("anna")


def asked(plan: RunPlan, round_: int) -> Instruction:
    mechanism = plan.privacy.update_mechanism
    clip = None if mechanism is None else mechanism.clip_norm
    return Instruction(plan, round_, parameters_of(net_for(plan)), clip)


def form(answer: Reply | Evaluation | ShadowCounts) -> tuple[object, ...]:
    """What a server sees of an answer, but for its noised numbers."""
    if isinstance(answer, Refusal):
        return answer.reason, answer.detail
    if isinstance(answer, LocalUpdate):
        content = wire.write_answer(answer)
        sizes = [(name, array.shape) for name, array in sorted(answer.delta.items())]
        return "update", answer.weight, answer.within_clip_norm, sorted(content), sizes
    return (type(answer).__name__,)


def victims(folder: Path) -> list[Victim]:
    return [Victim(folder / name.replace(" ", "-"), read) for name, read in DATA.items()]


def alike(
    folder: Path, ask: Callable[[Victim], Reply | Evaluation | ShadowCounts]
) -> tuple[Any, Any]:
    """What all sites answered alike; a difference fails the test."""
    sites = victims(folder)
    try:
        found = [form(ask(site)) for site in sites]
        charges = [site.charged() for site in sites]
    finally:
        for site in sites:
            site.ledger.close()
    assert all(one == found[0] for one in found), dict(zip(DATA, found, strict=True))
    assert all(one == charges[0] for one in charges)
    return found[0], charges[0]


questions = st.fixed_dictionaries(
    {
        "rate": st.sampled_from([1e-4, 0.002, 0.0019, 0.01, 0.1, 0.5, 1.0]),
        "expected": st.sampled_from([1e-3, 1.0, 40.0, 1e4]),
        "steps": st.integers(1, 3),
        "clip": st.sampled_from([1e-6, 1.0, 1e6]),
        "limit": st.sampled_from([1e-6, 3.0, 8.0, 1e6]),
        "batch": st.sampled_from([1, 40, 499, 500, 501, 10**6]),
        "learning_rate": st.sampled_from([1e-3, 1e38]),
        "compressed": st.booleans(),
        "unit": st.sampled_from(["window", "reading", "site"]),
    }
)


def plan_of(question: dict[str, Any]) -> RunPlan:
    privacy: Any = replace(
        samples.WINDOW_PRIVACY,
        sampling_rate=question["rate"],
        expected_batch=question["expected"],
        steps=question["steps"],
        clip_norm=question["clip"],
        epsilon_limit=question["limit"],
        unit="window" if question["unit"] == "site" else question["unit"],
        delta=1e-9,
    )
    if question["unit"] == "site":
        privacy = replace(BY_SITE, epsilon_limit=question["limit"], clip_norm=question["clip"])
    training = {"batch_size": question["batch"], "learning_rate": question["learning_rate"]}
    compression = Compression(1.0) if question["compressed"] else None
    return samples.plan(privacy, training, seed=None, compression=compression)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(question=questions)
def test_no_question_about_training_is_answered_by_the_data(
    tmp_path_factory: pytest.TempPathFactory, question: dict[str, Any]
) -> None:
    try:
        plan = plan_of(question)
    except InvalidConfiguration:
        return
    folder = tmp_path_factory.mktemp("question")
    answer, charged = alike(folder, lambda site: site.trains(plan))
    assert (answer[0] == "update") == bool(charged)  # charged before it is sent, and then sent


@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, BY_SITE], ids=["window", "site"])
@pytest.mark.parametrize("count", [1, 32, 500])
def test_bisection_over_what_a_site_needs_finds_nothing(
    tmp_path: Path, privacy: Any, count: int
) -> None:
    # The number of windows was told, for nothing, by which sampling rates and batches were refused.
    site = Victim(tmp_path, lambda: days_of(samples.windows(count)))
    for round_ in range(1, 5):
        rate = 4.0**-round_
        changes = {"sampling_rate": rate, "expected_batch": 32 * rate}
        plan = samples.plan(
            replace(privacy, epsilon_limit=1e6, **(changes if privacy is not BY_SITE else {})),
            {"batch_size": 4**round_},
            run=f"run-{round_}",
            seed=None,
        )
        assert isinstance(site.trains(plan), LocalUpdate)
    assert all(sum(spend.steps for spend in spends) for spends in site.charged().values())


def test_counts_of_an_evaluation_come_and_are_charged_whatever_the_data(tmp_path: Path) -> None:
    plan = samples.plan(samples.WINDOW_PRIVACY, seed=None, evaluation=COUNTS)
    assert alike(tmp_path, lambda site: site.evaluates(plan))[0] == ("Evaluation",)


def test_shadow_counts_come_and_are_charged_whatever_the_data(tmp_path: Path) -> None:
    plan = samples.plan(samples.WINDOW_PRIVACY, seed=None, evaluation=COUNTS)
    assert alike(tmp_path, lambda site: site.shadows(plan))[0] == ("ShadowCounts",)


def test_a_spent_budget_is_refused_whatever_the_data(tmp_path: Path) -> None:
    once = samples.WINDOW_PRIVACY.guarantee.epsilon([samples.WINDOW_PRIVACY.spend_per_round])
    plan = samples.plan(replace(samples.WINDOW_PRIVACY, epsilon_limit=1.01 * once), seed=None)

    def twice(site: Victim) -> Reply:
        site.trains(plan)
        return site.trains(plan, 2)

    assert alike(tmp_path, twice)[0][0] == "budget"


class Failing:
    """A trainer that fails wherever there is data."""

    def __init__(self, kind: str, how: str) -> None:
        self._trainer, self._how = trainer_of(kind), how

    def train(self, cohort: Sequence[LocalTask]) -> list[LocalUpdate | Refusal]:
        if self._how == "raises" and any(len(task.windows) for task in cohort):
            raise MemoryError("patient-4711: 3 windows of label falling")
        answers = self._trainer.train(cohort)
        if self._how == "refuses":
            answers = [
                Refusal(a.site, a.run, a.round, RefusalReason.TRAINING, "3 windows")
                if len(task.windows)
                else a
                for task, a in zip(cohort, answers, strict=True)
            ]
        return answers


@pytest.mark.parametrize("privacy", [samples.WINDOW_PRIVACY, BY_SITE], ids=["window", "site"])
@pytest.mark.parametrize("how", ["raises", "refuses"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_that_fails_after_the_charge_is_an_update_of_noise_alone(
    tmp_path: Path, kind: str, how: str, privacy: Any
) -> None:
    plan = samples.plan(privacy, seed=3)
    full = Victim(tmp_path / "full", DATA["500 windows"], Failing(kind, how))
    empty = Victim(tmp_path / "empty", DATA["no window"], trainer_of(kind))
    failed, nothing = full.trains(plan), empty.trains(plan)
    assert isinstance(failed, LocalUpdate)
    assert isinstance(nothing, LocalUpdate)
    assert all(np.array_equal(failed.delta[name], nothing.delta[name]) for name in nothing.delta)
    assert np.abs(nothing.delta["weight"]).min() > 0
    assert read_shortfalls(full.folder / FILE)["raised"] == 1


def test_a_delta_that_is_too_large_for_a_site_is_told_its_owner_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = samples.plan(replace(samples.WINDOW_PRIVACY, delta=1 / 400), seed=None)
    assert isinstance(Victim(tmp_path / "few", DATA["one window"]).trains(plan), LocalUpdate)
    assert "delta" not in caplog.text
    assert isinstance(Victim(tmp_path / "many", DATA["500 windows"]).trains(plan), LocalUpdate)
    assert "not below one over its 500 windows" in caplog.text
