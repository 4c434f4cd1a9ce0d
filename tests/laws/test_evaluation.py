"""Counts of held-out windows: exact under a public plan alone, and charged before they are made."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.ledger.ledger import Ledger
from fl_client.release import noised_counts
from fl_client.release.gateway import release_evaluation, release_shadow
from fl_client.site import evaluation as evaluating
from fl_client.site.shortfalls import Shortfalls, read_shortfalls
from fl_client.training import LocalTask
from fl_common.errors import InvalidConfiguration, StoreError
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.evaluation import SENSITIVITY, EvaluationPlan, held_out_block
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.unit import PrivacyPlan
from fl_common.vocabulary import Evaluation, Refusal, RefusalReason, ShadowCounts, Windows
from models.nets import build_net, parameters_of
from tests.support import samples

NOISED = EvaluationPlan(noise_multiplier=2.0, loss_limit=4.0, epsilon_limit=8.0)
DEVICE = samples.plan(samples.WINDOW_PRIVACY, seed=None, evaluation=NOISED)
PARAMETERS = parameters_of(build_net(DEVICE.net, DEVICE.task))
COUNTS = Evaluation(30.0, 37.0, 12.5)
BLOCKS = ("monday", "tuesday")

privacies = st.sampled_from(
    [samples.WINDOW_PRIVACY, replace(samples.WINDOW_PRIVACY, unit="reading"), samples.SITE_PRIVACY,
     NoPrivacy("uniform"), NoPrivacy("examples")]
)  # fmt: skip


def asked(plan: RunPlan, shift: float = 0.0) -> Instruction:
    clip = getattr(plan.privacy, "clip_norm", None) if plan.privacy.unit == "site" else None
    moved = {name: array + np.float32(shift) for name, array in PARAMETERS.items()}
    return Instruction(plan, 1, moved, clip)


def windows() -> Windows:
    made = samples.windows()
    return replace(made, block_of=np.arange(len(made)) % 2, blocks=BLOCKS)


def ledger_in(folder: Path) -> Ledger:
    return Ledger(folder / "ledger.sqlite", lambda: 7.0, "anna")


def answer(ledger: Ledger, plan: RunPlan = DEVICE, shift: float = 0.0) -> Evaluation | Refusal:
    return counted(windows, asked(plan, shift), ledger)


def counted(
    held_out: Callable[[], Windows],
    instruction: Instruction,
    ledger: Ledger,
    blocks: tuple[str, ...] = BLOCKS,
) -> Evaluation | Refusal:
    """What a site with ``blocks`` answers."""
    told = Shortfalls(ledger.folder / "shortfalls.json")
    answered = evaluating.answer_evaluation(
        "anna", lambda: blocks, held_out, instruction, ledger, told
    )
    told.keep()
    return answered


@given(privacies, st.none() | st.just(NOISED), st.none() | st.integers(0, 9))
def test_exact_counts_never_leave_unless_the_plan_says_public(
    privacy: PrivacyPlan, evaluation: EvaluationPlan | None, seed: int | None
) -> None:
    try:
        plan = samples.plan(privacy, seed=seed, evaluation=evaluation)
    except InvalidConfiguration:
        assert privacy.unit in ("site", "none")
        assert evaluation is not None
        return
    released = release_evaluation(COUNTS, "anna", asked(plan))
    if privacy == NoPrivacy("examples"):
        assert released == COUNTS
    elif evaluation is None:
        assert isinstance(released, Refusal)
    else:
        again = release_evaluation(COUNTS, "anna", asked(plan))
        assert isinstance(released, Evaluation)
        assert {released, again} != {COUNTS}, "noise is seldom nothing in all three, and not twice"


@given(st.lists(st.floats(-5, 5).filter(lambda x: abs(x) > 0.01), min_size=3, max_size=3))
def test_noise_has_the_size_that_the_plan_says(normals: list[float]) -> None:
    with patch.object(noised_counts, "standard_normals", lambda *_: np.array(normals)):
        released = release_evaluation(COUNTS, "anna", asked(DEVICE))
        again = release_evaluation(COUNTS, "anna", asked(DEVICE))
    if isinstance(released, Refusal):  # the same draw as in the example before
        return
    deviation = 2.0 * math.sqrt(3)
    assert released.correct == np.rint(30 + deviation * normals[0])
    assert released.total == np.rint(37 + deviation * normals[1])
    assert released.loss_sum == pytest.approx(12.5 + deviation * 4.0 * normals[2], abs=0.004)
    assert isinstance(again, Refusal), "the same noise for a second release"


@pytest.mark.parametrize("normals", [[0.0] * 3, [math.nan] * 3, [1e6, 0.0, 0.0]])
def test_a_broken_generator_is_a_refusal(normals: list[float]) -> None:
    with patch.object(noised_counts, "standard_normals", lambda *_: np.array(normals)):
        released = release_evaluation(COUNTS, "anna", asked(DEVICE))
    assert isinstance(released, Refusal)
    assert released.reason is RefusalReason.PRIVACY


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_counts_of_a_candidate_leave_noised_or_under_a_public_plan(
    agreed: int, failed: int, neither: int
) -> None:
    exact = ShadowCounts(*map(float, (agreed + failed + neither, agreed, failed)))
    public = samples.plan(NoPrivacy("examples"))
    assert release_shadow(exact, "anna", asked(public)) == exact
    released = [release_shadow(exact, "anna", asked(DEVICE)) for _ in range(5)]
    assert all(isinstance(each, ShadowCounts) for each in released)
    assert any(each != exact for each in released), "rounded noise is rarely nothing in all three"
    without_noise = asked(samples.plan(samples.WINDOW_PRIVACY))
    assert isinstance(release_shadow(exact, "anna", without_noise), Refusal)


def test_counts_that_no_windows_can_give_do_not_leave() -> None:
    for wrong in ((5, 6, 0), (5, 3, 3), (5, -1, 0), (5, math.nan, 0)):
        released = release_shadow(ShadowCounts(*map(float, wrong)), "anna", asked(DEVICE))
        assert isinstance(released, Refusal), wrong
        assert released.reason is RefusalReason.PRIVACY


def moved_by_one(plan: RunPlan, count: int, removed: int, scale: float) -> list[float]:
    """How far one of ``count`` windows moves each sum, the loss in units of its limit."""
    some = samples.windows(count)
    task = LocalTask(plan, "anna", 1, asked(plan, scale).parameters, some)
    rest = some.take(np.arange(count) != removed % count)
    with_it, without = evaluating.count(task, some), evaluating.count(task, rest)
    before = without.details or [0.0] * len(with_it.details)
    return [
        with_it.correct - without.correct,
        with_it.total - without.total,
        (with_it.loss_sum - without.loss_sum) / NOISED.loss_limit,
        *np.subtract(with_it.details, before),
    ]


@given(st.integers(1, 40), st.integers(0, 39), st.floats(0, 1e6))
def test_one_window_moves_the_counts_by_the_stated_sensitivity(
    count: int, removed: int, scale: float
) -> None:
    moved = moved_by_one(DEVICE, count, removed, scale)
    assert len(moved) == 3
    assert math.hypot(*moved) <= SENSITIVITY * (1 + 1e-6)
    assert all(-1e-6 <= part <= 1 + 1e-6 for part in moved)


def test_each_evaluation_is_charged_to_each_held_out_block(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    for times in (1, 2):
        assert isinstance(answer(ledger), Evaluation)
        expected = (Spend(2.0, 1.0, times),)
        assert ledger.histories("anna") == dict.fromkeys(map(held_out_block, BLOCKS), expected)


def test_the_ledger_is_charged_before_a_window_is_counted(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)

    def killed(*_: Any) -> Evaluation:
        raise KeyboardInterrupt

    with patch.object(evaluating, "count", killed), pytest.raises(KeyboardInterrupt):
        answer(ledger)
    ledger.close()
    assert len(ledger_in(tmp_path).histories("anna")) == 2


def test_nothing_is_counted_where_the_ledger_can_not_be_trusted(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    assert isinstance(answer(ledger), Evaluation)
    (tmp_path / "ledger.sqlite.counter").unlink()
    with patch.object(evaluating, "count", side_effect=AssertionError("counted")):
        refused = answer(ledger)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.LEDGER


def test_without_dp_other_data_than_the_task_s_are_refused_and_nothing_is_paid(
    tmp_path: Path,
) -> None:
    ledger = ledger_in(tmp_path)
    none, wrong = windows().take(np.arange(0)), replace(windows(), labels=windows().labels + 7)
    for held_out in (none, wrong):
        refused = counted(partial(replace, held_out), asked(samples.plan()), ledger)
        if held_out is wrong:
            assert isinstance(refused, Refusal)
            assert refused.reason is RefusalReason.DATA
    assert ledger.sites() == []


def unreadable() -> Windows:
    raise StoreError("patient-4711/site.sqlite: disk I/O error")


def test_under_dp_a_site_without_a_usable_window_is_charged_and_answers(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    none, wrong = windows().take(np.arange(0)), replace(windows(), labels=windows().labels + 7)
    reads: list[Callable[[], Windows]] = [lambda: none, lambda: wrong, unreadable]
    for times, read in enumerate(reads, 1):
        answered = counted(read, asked(DEVICE), ledger)
        assert isinstance(answered, Evaluation)
        assert max(abs(answered.total), abs(answered.correct)) < 40, "noise of deviation 3.5"
        assert ledger.histories("anna")[held_out_block("monday")] == (Spend(2.0, 1.0, times),)
    assert read_shortfalls(tmp_path / "shortfalls.json") == {
        "empty": 2, "unfit": 1, "unreadable": 1
    }  # fmt: skip


def test_a_block_without_budget_is_left_out_and_a_site_without_any_refuses(tmp_path: Path) -> None:
    ledger = ledger_in(tmp_path)
    answered = 0
    while isinstance(answer(ledger), Evaluation):
        answered += 1
    spent = epsilon_of([Spend(2.0, 1.0, answered)], 1e-5, "rdp")
    assert spent <= 8.0 < epsilon_of([Spend(2.0, 1.0, answered + 1)], 1e-5, "rdp")
    assert ledger.epsilon("anna", 1e-5, "rdp") == pytest.approx(spent)
    refused = answer(ledger)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.BUDGET
    assert refused.run == DEVICE.run

    used: list[int] = []
    fresh = replace(windows(), blocks=("monday", "wednesday"))

    def count(_: LocalTask, some: Windows) -> Evaluation:
        used.append(len(some))
        return COUNTS

    with patch.object(evaluating, "count", count):
        counted(lambda: fresh, asked(DEVICE), ledger, fresh.blocks)
    assert used == [16], "half of the windows are in the fresh block"


def test_two_models_in_one_round_cost_twice_and_a_seeded_repetition_nothing(tmp_path: Path) -> None:
    ledger, seeded = ledger_in(tmp_path), replace(DEVICE, seed=1)
    first = answer(ledger, seeded)
    assert answer(ledger, seeded) == first
    answer(ledger, seeded, shift=1.0)
    assert ledger.histories("anna")[held_out_block("monday")] == (Spend(2.0, 1.0, 2),)


def test_a_run_that_was_charged_gives_no_exact_counts_under_another_plan(tmp_path: Path) -> None:
    from tests.support.box import Box, trainer_of

    box = Box(tmp_path, trainer_of("cohort"))
    box.sends(replace(DEVICE, evaluation=None))
    public = samples.plan(samples.PUBLIC, seed=None)
    refused = counted(windows, asked(public), box.ledger)
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.PLAN


@pytest.mark.parametrize("value", [0.0, -1.0, math.inf, math.nan, "much"])
@pytest.mark.parametrize("name", ["noise_multiplier", "loss_limit", "epsilon_limit"])
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InvalidConfiguration, match=r"evaluation\."):
        replace(NOISED, **{name: value})


def test_an_evaluation_plan_travels() -> None:
    assert RunPlan.from_json(DEVICE.to_json()) == DEVICE
