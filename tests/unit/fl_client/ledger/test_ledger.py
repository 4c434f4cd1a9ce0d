import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Refusal, RefusalReason
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

ROUNDS = 4
ONE = epsilon_of([WINDOW_PRIVACY.spend_per_round], 1e-5, "rdp")
FOUR = epsilon_of([WINDOW_PRIVACY.spend_per_round] * ROUNDS, 1e-5, "rdp")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger(path, lambda: 7.0, "anna")
    yield opened
    opened.close()


def plan(limit: float = FOUR, **changes: Any) -> WindowPrivacyPlan:
    return replace(WINDOW_PRIVACY, epsilon_limit=limit, **changes)


def charge(
    round_: int = 1,
    *blocks: str,
    site: str = "anna",
    run: str = "run",
    privacy: WindowPrivacyPlan | None = None,
    repeatable: bool = False,
) -> Charge:
    blocks = blocks or ("monday",)
    return Charge(
        site=site,
        run=run,
        round=round_,
        plan="digest",
        privacy=privacy or plan(),
        blocks=blocks,
        repeatable=repeatable,
    )


def refusal(answer: tuple[str, ...] | Refusal, reason: RefusalReason) -> str:
    assert isinstance(answer, Refusal)
    assert answer.reason is reason
    return answer.detail


def test_debit_answers_each_charge_in_order(ledger: Ledger) -> None:
    answers = ledger.debit([charge(1, "mon", "tue"), charge(1, "may", site="bert")])
    assert answers == [("mon", "tue"), ("may",)]
    assert ledger.debit([]) == []


def test_budget_ends_exactly_where_the_composed_epsilon_passes_the_limit(ledger: Ledger) -> None:
    answers = [ledger.debit([charge(round_)])[0] for round_ in range(1, ROUNDS + 2)]
    assert answers[:ROUNDS] == [("monday",)] * ROUNDS
    detail = refusal(answers[ROUNDS], RefusalReason.BUDGET)
    assert "monday" in detail
    assert f"{FOUR:.4g}" in detail
    assert "RDP" in detail
    assert "Fresh data" in detail
    assert ledger.epsilon("anna", 1e-5, "rdp") == pytest.approx(FOUR)


def test_block_at_its_limit_is_left_out_and_fresh_data_bring_fresh_budget(ledger: Ledger) -> None:
    for round_ in range(1, ROUNDS + 1):
        ledger.debit([charge(round_, "monday")])
    assert ledger.debit([charge(5, "monday", "tuesday")]) == [("tuesday",)]
    assert ledger.epsilon("anna", 1e-5, "rdp") == pytest.approx(FOUR)


def test_spends_compose_over_runs_and_plans(ledger: Ledger) -> None:
    other = plan(noise_multiplier=2.0, sampling_rate=0.5)
    ledger.debit([charge(1), charge(1, run="another"), charge(2, privacy=other)])
    spends = [WINDOW_PRIVACY.spend_per_round, WINDOW_PRIVACY.spend_per_round, Spend(2.0, 0.5, 4)]
    assert ledger.epsilon("anna", 1e-6, "rdp") == pytest.approx(epsilon_of(spends, 1e-6, "rdp"))


def test_limit_below_what_is_spent_already_is_refused_with_blocks_and_figures(
    ledger: Ledger,
) -> None:
    ledger.debit([charge(1, "mon", "tue"), charge(2, "mon", "tue")])
    detail = refusal(ledger.debit([charge(3, "mon", "tue", run="next", privacy=plan(1.5))])[0],
                     RefusalReason.BUDGET)  # fmt: skip
    spent = epsilon_of([WINDOW_PRIVACY.spend_per_round] * 2, 1e-5, "rdp")
    assert f"mon, tue: have spent an epsilon of {spent:.4g}" in detail
    assert "limit of 1.5 is below what is spent already" in detail


def test_run_keeps_the_plan_that_it_began_with(path: Path, ledger: Ledger) -> None:
    ledger.debit([charge(1), charge(1, site="bert")])
    ledger.close()
    again = Ledger(path, lambda: 8.0, "anna")
    changed = replace(charge(2), plan="another")
    assert "change during a run" in refusal(again.debit([changed])[0], RefusalReason.PLAN)
    assert again.debit([replace(changed, run="new"), charge(2)]) == [("monday",)] * 2
    assert again.plan_of("anna", "run") == "digest"
    assert again.plan_of("anna", "never") is None
    again.close()


def test_same_site_twice_in_a_cohort_is_charged_twice(ledger: Ledger) -> None:
    privacy = plan(limit=ONE)
    first, second = ledger.debit([charge(1, privacy=privacy), charge(2, privacy=privacy)])
    assert first == ("monday",)
    refusal(second, RefusalReason.BUDGET)


def test_refused_charge_leaves_the_others_of_its_cohort_alone(ledger: Ledger) -> None:
    answers = ledger.debit(
        [charge(site="a"), charge(site="b", privacy=plan(limit=0.01)), charge(site="c")]
    )
    assert answers[0] == answers[2] == ("monday",)
    refusal(answers[1], RefusalReason.BUDGET)
    assert ledger.epsilon("b", 1e-5, "rdp") == 0.0


def test_budget_outlives_the_process(path: Path, ledger: Ledger) -> None:
    for round_ in range(1, ROUNDS + 1):
        ledger.debit([charge(round_)])
    ledger.close()
    again = Ledger(path, lambda: 8.0, "anna")
    refusal(again.debit([charge(99, run="another")])[0], RefusalReason.BUDGET)
    again.close()


def test_repeated_round_is_charged_once_when_it_repeats_to_the_bit(ledger: Ledger) -> None:
    answers = [ledger.debit([charge(1, "a", "b", repeatable=True)])[0] for _ in range(5)]
    assert answers == [("a", "b")] * 5
    assert ledger.epsilon("anna", 1e-5, "rdp") == pytest.approx(ONE)


def test_repeated_round_is_a_second_release_otherwise(ledger: Ledger) -> None:
    ledger.debit([charge(1)])
    ledger.debit([charge(1)])
    ledger.debit([charge(1, repeatable=True)])
    spends = [WINDOW_PRIVACY.spend_per_round] * 3
    assert ledger.epsilon("anna", 1e-5, "rdp") == pytest.approx(epsilon_of(spends, 1e-5, "rdp"))


def test_repeated_round_keeps_its_blocks_although_the_site_has_more(ledger: Ledger) -> None:
    ledger.debit([charge(1, "a", repeatable=True)])
    assert ledger.debit([charge(1, "a", "b", repeatable=True)]) == [("a",)]


@pytest.mark.parametrize("change", ["clip_norm", "noise_multiplier", "sampling_rate", "steps"])
def test_repeated_round_with_another_mechanism_is_refused(ledger: Ledger, change: str) -> None:
    ledger.debit([charge(1, repeatable=True)])
    value = {"steps": 5}.get(change, 0.9)
    other = charge(1, privacy=plan(**{change: value}), repeatable=True)
    assert "another mechanism" in refusal(ledger.debit([other])[0], RefusalReason.PLAN)


def test_repeated_round_whose_blocks_are_gone_is_refused(ledger: Ledger) -> None:
    ledger.debit([charge(1, "a", "b", repeatable=True)])
    refusal(ledger.debit([charge(1, "b", repeatable=True)])[0], RefusalReason.PLAN)


def test_entries_tell_what_was_charged_by_which_round(ledger: Ledger) -> None:
    ledger.debit([charge(1, "a", "b"), charge(1, site="bert"), charge(2, "b")])
    first, second = ledger.entries("anna")
    assert (first.time, first.run, first.round, first.blocks) == (7.0, "run", 1, ("a", "b"))
    assert first.spend == WINDOW_PRIVACY.spend_per_round
    assert (first.unit, first.delta, first.epsilon_limit) == ("window", 1e-5, FOUR)
    assert first.accountant == "rdp"
    assert (second.round, second.blocks) == (2, ("b",))
    assert second.number > first.number


def test_threads_and_connections_share_one_budget(path: Path, ledger: Ledger) -> None:
    neighbour = Ledger(path, lambda: 9.0, "anna")
    answers: list[tuple[str, ...] | Refusal] = []

    def debit(own: Ledger, first: int) -> None:
        for round_ in range(first, first + ROUNDS):
            answers.extend(own.debit([charge(round_)]))

    threads = [
        threading.Thread(target=debit, args=(own, 100 * place))
        for place, own in enumerate([ledger, ledger, neighbour])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    neighbour.close()
    assert answers.count(("monday",)) == ROUNDS
    assert len(answers) == 3 * ROUNDS


def test_failure_in_the_middle_of_a_cohort_charges_nobody(path: Path) -> None:
    times = iter([1.0, 2.0])
    ledger = Ledger(path, lambda: next(times), "anna")
    with pytest.raises(StopIteration):
        ledger.debit([charge(1, site=name) for name in "abc"])
    assert [list(ledger.entries(name)) for name in "abc"] == [[], [], []]
    ledger.close()


def test_ledger_needs_no_torch() -> None:
    code = "import sys, fl_client.ledger.ledger; sys.exit('torch' in sys.modules)"
    root = ROOT
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
