"""What ``fl-server runs list`` and ``show`` print."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fl_common.programs.text import visible
from fl_server.rounds.counts import measures_text

_COLOURS = {"running": "green", "complete": "green", "refused": "red", "stopped": "yellow"}


def runs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row for each run, in the order in which they are carried out."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("run", "state", "rounds", "epsilon", "asked for", "with"):
        table.add_column(column, overflow="fold")
    for row in rows:
        state = str(row["state"])
        said = row["why"] or " ".join(row["overrides"])
        table.add_row(
            Text(visible(row["run"])),
            Text(state, _COLOURS.get(state, "")),
            f"{row['round']} of {row['rounds']}" if row["rounds"] else "-",
            spent(row),
            Text(str(row["asked"]).replace("T", " ").replace("+00:00", " UTC")),
            Text(visible(said)),
        )
    return table


def run_table(row: Mapping[str, Any]) -> Group:
    """A run's row, then its rounds."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("round", "updates", "seconds", "epsilon", "on the sites"):
        table.add_column(column, overflow="fold")
    for one in row["history"]:
        told = one["on_sites"]
        is_new = told and told["round"] == one["round"]
        table.add_row(
            str(one["round"]),
            f"{one['updates']} of {one['asked']}",
            f"{one['seconds']:.1f}",
            f"{one['epsilon']:.3g}",
            Text(measures_text(told["metrics"]) if is_new else ""),
        )
    return Group(runs_table([row]), Text(), table)


def spent(row: Mapping[str, Any]) -> str:
    """Epsilon of a run's rounds, of its limit."""
    if not row["epsilon_limit"]:
        return "-"
    return f"{row['epsilon']:.3g} of {row['epsilon_limit']:.3g}"
