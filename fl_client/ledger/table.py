"""A ledger as tables: what each block has spent, what is left, and by which rounds."""

from collections import Counter as Tally
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Literal

from rich.table import Table

from fl_client.ledger.composition import Released, released_about
from fl_client.ledger.ledger import Ledger, LedgerEntry
from fl_common.privacy.accounting import ACCOUNTANTS, AccountantName
from fl_common.privacy.unit import WHOLE_SITE

_TOLD_TOGETHER = frozenset({"window", "reading"})
"""Units for which a block's epsilon is shown for both."""

WHOLE_RUN = 0
"""The round of a charge for all rounds of a run at once."""


@dataclass(frozen=True)
class BlockState:
    """One block of a site: its total spent, by the delta and unit of its last plan.

    ``spent`` and ``left`` are epsilons for one ``unit`` at ``delta``, over all releases about the
    block, those about the whole site included; ``rounds`` are the rounds it was charged for, by
    run.
    """

    site: str
    block: str
    unit: str
    spent: float
    left: float
    epsilon_limit: float
    delta: float
    accountant: AccountantName
    windows_per_reading: int
    epsilon_per_window: float | None
    epsilon_per_reading: float | None
    rounds: Mapping[str, list[int]]
    last_charged: float


def states_of(ledger: Ledger, sites: Iterable[str]) -> list[BlockState]:
    """Every block that ``sites`` were charged for, sorted by site and name."""
    states = []
    for site in sites:
        entries_of: dict[str, list[LedgerEntry]] = {}
        for entry in ledger.entries(site):
            for block in entry.blocks:
                entries_of.setdefault(block, []).append(entry)
        histories = ledger.histories(site)
        states += [
            _state(block, released_about(block, histories), entries_of[block])
            for block in sorted(histories)
        ]
    return states


def to_json(ledger: Ledger, states: Sequence[BlockState]) -> dict[str, Any]:
    """The ledger as JSON: ``blocks``, and ``notes`` about changes to the ledger itself."""
    return {
        "owner": ledger.owner,
        "blocks": [asdict(state) for state in states],
        "notes": [{"time": time, "note": note} for time, note in ledger.notes()],
    }


def block_table(states: Sequence[BlockState]) -> Table:
    """One row for each block of one site."""
    both = _overlapping(states)
    table = _table("block", *_epsilon_columns(both), "run: rounds")
    for state in states:
        rounds = "\n".join(f"{run[:8]}: {_ranges(some)}" for run, some in state.rounds.items())
        table.add_row(state.block, *_epsilons(state, both), rounds)
    return table


def site_table(states: Sequence[BlockState]) -> Table:
    """One row for each site: the block that has spent most."""
    both = _overlapping(states)
    table = _table("site", "blocks>", *_epsilon_columns(both), "rounds charged>")
    for site, group in groupby(states, lambda state: state.site):
        blocks = list(group)
        fullest = max(blocks, key=lambda state: state.spent / state.epsilon_limit)
        table.add_row(site, str(len(blocks)), *_epsilons(fullest, both), _charged(blocks))
    return table


def _charged(blocks: Sequence[BlockState]) -> str:
    """How many rounds a site was charged for, and how many charges repeated one of them."""
    charged = Tally[tuple[str, int]]()
    for state in blocks:
        charged |= Tally((run, round_) for run, rounds in state.rounds.items() for round_ in rounds)
    return _with_repeats(str(len(charged)), charged.total() - len(charged))


def what_epsilons_are(states: Sequence[BlockState]) -> list[str]:
    """A sentence for each accounting used: unit, delta, and accountant with its conversion."""
    used = {(state.unit, state.delta, state.accountant): state for state in states}
    return [
        f"Epsilon for each {'whole ' * (state.block == WHOLE_SITE)}{unit} at delta {delta:g}, by"
        f" {ACCOUNTANTS[accountant]}.{_other_unit(state)}"
        for (unit, delta, accountant), state in used.items()
    ]


def date_text(time: float) -> str:
    """``2026-01-31 12:00 UTC``."""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M} UTC"


def _overlapping(states: Sequence[BlockState]) -> bool:
    return any(state.windows_per_reading > 1 for state in states)


def _epsilon_columns(both: bool) -> tuple[str, ...]:
    return ("spent>", "left>", "of>", *(("per window>", "per reading>") if both else ()))


def _epsilons(state: BlockState, both: bool) -> list[str]:
    units = (state.epsilon_per_window, state.epsilon_per_reading) if both else ()
    shown = [f"{state.spent:.3f}", f"{state.left:.3f}", f"{state.epsilon_limit:g}"]
    return shown + ["-" if epsilon is None else f"{epsilon:.3f}" for epsilon in units]


def _other_unit(state: BlockState) -> str:
    if state.windows_per_reading == 1:
        return ""
    return f" A reading is part of up to {state.windows_per_reading} windows (group privacy)."


def _state(block: str, released: Released, entries: Sequence[LedgerEntry]) -> BlockState:
    plan = entries[-1]

    def epsilon(windows: int) -> float:
        return released.epsilon(windows, plan.delta, plan.accountant)

    rounds: dict[str, list[int]] = {}
    for entry in entries:
        run, _, _ = entry.run.partition("/")  # after it: which model an evaluation was of
        rounds.setdefault(run, []).append(entry.round)
    shared = max(entry.windows_per_reading for entry in entries)
    spent, tells_both = epsilon(plan.windows_per_unit), plan.unit in _TOLD_TOGETHER
    return BlockState(
        site=plan.site,
        block=block,
        unit=plan.unit,
        spent=spent,
        left=max(0.0, plan.epsilon_limit - spent),
        epsilon_limit=plan.epsilon_limit,
        delta=plan.delta,
        accountant=plan.accountant,
        windows_per_reading=shared,
        epsilon_per_window=epsilon(1) if tells_both else None,
        epsilon_per_reading=epsilon(shared) if tells_both else None,
        rounds=rounds,
        last_charged=plan.time,
    )


def _ranges(rounds: Sequence[int]) -> str:
    """Such as ``1-30, 32``, with the number of repeated charges."""
    if list(rounds) == [WHOLE_RUN]:
        return "all"
    parts, ordered = [], sorted(set(rounds))
    for _, group in groupby(enumerate(ordered), lambda place: place[1] - place[0]):
        run = [round_ for _, round_ in group]
        parts.append(f"{run[0]}" if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return _with_repeats(", ".join(parts), len(rounds) - len(ordered))


def _with_repeats(rounds: str, repeats: int) -> str:
    return rounds + (f" and {repeats} repeated" if repeats else "")


def _table(*columns: str) -> Table:
    """A table without rows; a column whose name ends in ``>`` is right-aligned."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        side: Literal["left", "right"] = "right" if name.endswith(">") else "left"
        table.add_column(name.rstrip(">"), justify=side, overflow="fold")
    return table
