"""Somebody who would spend a budget twice: by odd charges, or by editing a ledger in use."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger.chain import last
from fl_client.ledger.counter import Counter, counter_beside
from fl_client.ledger.ledger import Charge, Ledger
from fl_common.errors import LedgerError
from fl_common.privacy.accounting import Spend
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.window_level import WindowPrivacyPlan
from tests.support.samples import WINDOW_PRIVACY

BLOCKS = ("monday", "tuesday")


def charge(round_: int = 1, **changes: Any) -> Charge:
    made = Charge("anna", "run", round_, "digest", WINDOW_PRIVACY, BLOCKS, False)
    return replace(made, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    """A ledger in use, with five lines."""
    with closing(Ledger(path, lambda: 7.0, "anna")) as opened:
        for round_ in range(1, 6):
            opened.debit([charge(round_)])
        yield opened


@contextmanager
def edited(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@dataclass(frozen=True)
class GivesBack(SampleMechanism):
    """A mechanism of somebody's own unit, whose event is not its own."""

    @property
    def event(self) -> Spend:
        return Spend(self.noise_multiplier, self.sampling_rate, -self.steps)


@dataclass(frozen=True)
class GivingBackPlan(WindowPrivacyPlan):
    """A unit with that mechanism."""

    @property
    def sample_mechanism(self) -> SampleMechanism:
        return GivesBack(1.0, self.noise_multiplier, self.sampling_rate, self.steps, 8.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"rounds": -20},
        {"rounds": 0},
        {"rounds": 0.5},
        {"rounds": True, "round": -1},
        {"rounds": float("nan")},
        {"rounds": 10**12},
        {"round": 2.5},
        {"blocks": ("monday", "")},
        {"site": ""},
        {"run": ""},
        {"privacy": GivingBackPlan(**WINDOW_PRIVACY.fields())},
    ],
)
def test_no_charge_gives_budget_back(ledger: Ledger, changes: dict[str, Any]) -> None:
    before = ledger.epsilon("anna", 1e-5, "rdp")
    with pytest.raises(LedgerError, match="Nothing was booked") as caught:
        ledger.debit([charge(6), charge(7, **changes)])
    assert "\n" not in str(caught.value)
    assert ledger.epsilon("anna", 1e-5, "rdp") == before
    assert len(list(ledger.entries("anna"))) == 5


def test_a_plan_that_claims_a_cheaper_event_is_charged_for_its_mechanism(ledger: Ledger) -> None:
    class Cheap(WindowPrivacyPlan):
        @property
        def spend_per_round(self) -> Spend:
            return Spend(1e4, 0.001, 1)

    cheap = charge(6, privacy=Cheap(**WINDOW_PRIVACY.fields()))
    ledger.debit([cheap])
    assert list(ledger.entries("anna"))[-1].spend == WINDOW_PRIVACY.spend_per_round


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        ("DELETE FROM spent", "sums differ"),
        ("DELETE FROM spent WHERE block = 'tuesday'", "sums differ"),
        ("UPDATE spent SET steps = 1", "sums differ"),
        ("UPDATE spent SET steps = -steps", "sums differ"),
        ("UPDATE spent SET noise = 100", "sums differ"),
        ("UPDATE spent SET site = 'bert'", "sums differ"),
        ("INSERT INTO spent VALUES ('anna', 'monday', 1.0, 0.5, -90)", "sums differ"),
        ("UPDATE charge SET line = json_set(line, '$.steps', 1) WHERE number = 2", "line 2 .*edit"),
        ("DELETE FROM charge WHERE number = 2", "line 2 is missing"),
        ("DELETE FROM charge WHERE number = 5", "rewritten while it was in use"),
        ("DELETE FROM charge; DELETE FROM spent", "rewritten while it was in use"),
    ],
)
def test_budget_can_not_be_edited_back_under_a_running_trainer(
    path: Path, ledger: Ledger, statement: str, match: str
) -> None:
    with edited(path) as connection:
        connection.executescript(statement)
    for _ in range(2):
        with pytest.raises(LedgerError, match=match):
            ledger.debit([charge(6)])


def test_lines_cut_off_with_sums_and_counter_are_missed_by_the_process_that_read_them(
    path: Path, ledger: Ledger
) -> None:
    one_round = 5 * 4 - 4  # steps of four rounds
    with edited(path) as connection:
        connection.execute("DELETE FROM charge WHERE number = 5")
        connection.execute("UPDATE spent SET steps = ?", (one_round,))
        head, _ = last(connection, "anna")
    Counter(counter_beside(path)).create(head)
    with pytest.raises(LedgerError, match="rewritten while it was in use"):
        ledger.debit([charge(6)])


def test_what_another_process_of_the_site_charges_counts_at_once(
    path: Path, ledger: Ledger
) -> None:
    with closing(Ledger(path, lambda: 8.0, "anna")) as other:
        other.debit([charge(6)])
        ledger.debit([charge(7)])
        other.debit([charge(8)])
        assert ledger.epsilon("anna", 1e-5, "rdp") == other.epsilon("anna", 1e-5, "rdp")
    assert [entry.round for entry in ledger.entries("anna")] == list(range(1, 9))
