"""Laws of the ledger: it agrees with a plain model, and no crash loses an acknowledged debit."""

import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl_client.ledger.ledger import Charge, Ledger
from fl_common.privacy.accounting import Spend, epsilon_of
from fl_common.vocabulary import Refusal
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

LIMIT, DELTA = 3.0, 1e-5
MECHANISMS = [
    replace(WINDOW_PRIVACY, noise_multiplier=noise, steps=steps, epsilon_limit=LIMIT)
    for noise, steps in [(1.0, 1), (1.0, 4), (2.0, 4)]
]
charges = st.builds(
    lambda **fields: Charge(plan="digest", repeatable=False, **fields),
    site=st.sampled_from(["anna", "bert"]),
    run=st.sampled_from(["one", "two"]),
    round=st.integers(1, 3),
    privacy=st.sampled_from(MECHANISMS),
    blocks=st.sets(st.sampled_from("abc"), min_size=1).map(lambda blocks: tuple(sorted(blocks))),
)


@settings(max_examples=40, deadline=None)
@given(cohorts=st.lists(st.lists(charges, max_size=4), max_size=6))
def test_ledger_agrees_with_a_plain_model(cohorts: list[list[Charge]]) -> None:
    spent: dict[tuple[str, str], list[Spend]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        for cohort in cohorts:
            with closing(Ledger(path, lambda: 0.0, "fleet")) as ledger:
                answers = ledger.debit(cohort)
            for charge, answer in zip(cohort, answers, strict=True):
                spend = charge.privacy.spend_per_round
                left = tuple(
                    block
                    for block in charge.blocks
                    if epsilon_of([*spent[charge.site, block], spend], DELTA, "rdp") <= LIMIT
                )
                assert answer == left if left else isinstance(answer, Refusal)
                for block in left:
                    spent[charge.site, block].append(spend)
        with closing(Ledger(path, lambda: 0.0, "fleet")) as ledger:
            for site in ("anna", "bert"):
                histories = [events for (owner, _), events in spent.items() if owner == site]
                highest = max((epsilon_of(h, DELTA, "rdp") for h in histories), default=0.0)
                assert ledger.epsilon(site, DELTA, "rdp") == pytest.approx(highest)
                assert highest <= LIMIT


DEBITS_UNTIL_KILLED = """
import itertools, sys, time
from pathlib import Path
from fl_client.ledger import composition, ledger as module
from tests.support.samples import WINDOW_PRIVACY
composition.epsilon_of_group = lambda *_: 0.0  # start at once: no accountant needed
ledger = module.Ledger(Path(sys.argv[1]), time.time, "fleet")
blocks = tuple(f"block {i}" for i in range(30))
for round_ in itertools.count(int(sys.argv[2])):
    sites = ("anna", "bert")
    answers = ledger.debit([
        module.Charge(s, "run", round_, "digest", WINDOW_PRIVACY, blocks, False)
        for s in sites
    ])
    assert answers == [blocks, blocks], answers
    print(round_, flush=True)
"""


def test_no_acknowledged_debit_is_lost_when_the_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    acknowledged: list[int] = []
    for debits_before_kill in (1, 2, 17, 40, 83, 150):
        first = 1000 * debits_before_kill
        child = subprocess.Popen(
            [sys.executable, "-c", DEBITS_UNTIL_KILLED, str(path), str(first)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        with child, child.stdout:
            acknowledged += [int(child.stdout.readline()) for _ in range(debits_before_kill)]
            child.kill()
            acknowledged += [int(line) for line in child.stdout.read().splitlines()]
        with closing(Ledger(path, lambda: 0.0, "fleet")) as ledger:
            rounds = [entry.round for entry in ledger.entries("anna")]
            assert [entry.round for entry in ledger.entries("bert")] == rounds
        unacknowledged = set(rounds) - set(acknowledged)
        assert set(acknowledged) <= set(rounds)
        assert len({round_ for round_ in unacknowledged if round_ >= first}) <= 1
        assert len(rounds) == len(set(rounds))
