"""Charges of an interrupted run are used once more, and only once, after a line that says so."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fl_client.ledger.ledger import Charge, Ledger
from tests.support.samples import WINDOW_PRIVACY

BLOCKS = ("mon", "tue")


def charge(round_: int, **changes: Any) -> Charge:
    made = Charge("anna", "run", round_, "digest", WINDOW_PRIVACY, BLOCKS, False)
    return replace(made, **changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite", lambda: 7.0, "fleet")) as opened:
        yield opened


def spent(ledger: Ledger) -> int:
    """Steps that the first block was charged for."""
    return sum(event.steps for event in ledger.histories("anna")["mon"])


def test_a_reopened_charge_is_used_once(ledger: Ledger) -> None:
    ledger.debit([charge(1), charge(2)])
    ledger.reopen("run", 2)
    for steps in (8, 12, 16):
        assert ledger.debit([charge(2)]) == [BLOCKS]
        assert spent(ledger) == steps
    ledger.reopen("run", 2)
    ledger.debit([charge(1)])
    assert spent(ledger) == 20
    ledger.debit([charge(2), charge(3)])
    assert spent(ledger) == 24


def test_a_round_that_is_interrupted_again_keeps_its_charge(ledger: Ledger) -> None:
    ledger.debit([charge(1)])
    for _ in range(3):
        ledger.reopen("run", 1)
        assert ledger.debit([charge(1)]) == [BLOCKS]
    assert spent(ledger) == 4
    assert len(ledger.notes()) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"run": "another"},
        {"site": "bert"},
        {"blocks": ("mon",)},
        {"privacy": replace(WINDOW_PRIVACY, noise_multiplier=2.0)},
        {"run": "run/evaluation/ab"},
    ],
)
def test_no_other_charge_is_paid_by_it(ledger: Ledger, changes: dict[str, Any]) -> None:
    ledger.debit([charge(1)])
    ledger.reopen("run", 1)
    other = charge(1, **changes)
    before = sum(event.steps for event in ledger.histories(other.site).get("mon", ()))
    ledger.debit([other])
    assert sum(event.steps for event in ledger.histories(other.site)["mon"]) == before + 4


def test_an_evaluation_is_repeated_with_other_parameters(ledger: Ledger) -> None:
    ledger.debit([charge(1, run="run/evaluation/ab"), charge(1, run="run/shadow/ab")])
    ledger.reopen("run", 1)
    ledger.debit([charge(1, run="run/evaluation/cd")])
    assert spent(ledger) == 8


def test_nothing_is_noted_where_nothing_was_interrupted(ledger: Ledger) -> None:
    ledger.reopen("run", 1)
    ledger.debit([charge(1)])
    ledger.reopen("run", 2)
    ledger.reopen("another", 1)
    assert ledger.notes() == []
