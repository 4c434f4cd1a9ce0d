"""The state of each site, as the server knows it: by its own count, and by what the site told."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fl_common.programs.text import visible
from fl_server.cloud.home import CloudHome
from fl_server.cloud.reports import SiteReports
from fl_server.cloud.sites import SPENT, Sites
from fl_server.cloud.superlink import SuperNode
from fl_server.rounds.counts import measures_text

Row = dict[str, Any]
_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"))


def site_rows(home: CloudHome, run: str | None, nodes: Iterable[SuperNode]) -> dict[str, Row]:
    """JSON values for each enrolled site.

    ``last_seen`` (Unix seconds) is exact to twice the site's heartbeat. ``told`` is None for a site
    that tells nothing of itself. ``spent`` is what the server has counted in ``run``, an upper
    bound: the site's own ledger is the authority, and has earlier runs, too.
    """
    node_of = {node.public_key: node for node in nodes}
    reports, spent = SiteReports(home.reports, time.time).all(), _spent(home, run)
    rows = {}
    for name, site in Sites(home.sites).enrolled().items():
        node, report = node_of.get(site.public_key.encode()), reports.get(name)
        rows[name] = {
            "class": site.kind,
            "status": node.status if node else "unknown",
            "last_seen": node.last_seen if node else None,
            "told": asdict(report) if report else None,
            "spent": spent.get(name),
        }
    return rows


def fleet_table(status: Mapping[str, Any], now: float) -> Group:
    """What ``fl-server status`` shows: the server, then a row for each site."""
    return Group(_server(status), Text(), _sites(status["sites"], now))


def _server(status: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    state = Text("running", "green") if status["running"] else Text("does not run", "red")
    table.add_row("server", state)
    for wrong in status.get("wrong") or ():
        table.add_row("", Text(visible(wrong), "red"))
    table.add_row("listens", Text(visible(str(status["listen"]))))
    newest = status["round"] or {}
    progress = f", round {newest['round']} of {newest['rounds']}" if newest else ""
    table.add_row("run", Text(visible(f"{status['run']}{progress}")))
    if newest:
        table.add_row(
            "newest round", f"{newest['updates']} of {newest['asked']} sites sent an update"
        )
        if late := [*newest.get("late", ()), *newest.get("busy", ())]:
            table.add_row("", Text(visible(f"late: {', '.join(late)}"), "yellow"))
        if on_sites := newest.get("on_sites"):
            told = f"after round {on_sites['round']}: {measures_text(on_sites['metrics'])}"
            table.add_row("on the sites", Text(visible(told)))
    return table


def _sites(rows: Mapping[str, Row], now: float) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    columns = ("site", "class", "status", "last seen", "version", "health", "epsilon", "rounds")
    for column in columns:
        table.add_column(column, overflow="fold")
    for name, row in rows.items():
        told, spent = row["told"] or {}, row["spent"] or {}
        limit = f" of {spent['limit']:.3g}" if spent else ""
        table.add_row(
            Text(visible(name)),
            Text(visible(row["class"])),
            Text(row["status"], "green" if row["status"] == "online" else "yellow"),
            ago(row["last_seen"], now),
            Text(told.get("version", "-")),
            _health(told, now),
            f"{spent['epsilon']:.3g}{limit}" if spent else "-",
            str(spent.get("rounds", "-")),
        )
    return table


def _health(told: Row, now: float) -> Text:
    if not told:
        return Text("not told")
    words = "ok" if told["healthy"] else "not well"
    return Text(f"{words}, {ago(told['at'], now)}", "green" if told["healthy"] else "red")


def ago(moment: float | None, now: float) -> str:
    """How long before ``now`` that was, in one unit."""
    if moment is None:
        return "never"
    seconds = max(0.0, now - moment)
    length, unit = next(((s, u) for s, u in _UNITS if seconds >= s), _UNITS[-1])
    return f"{seconds / length:.0f} {unit} ago"


def _spent(home: CloudHome, run: str | None) -> dict[str, Row]:
    try:
        spent: dict[str, Row] = json.loads((home.runs / str(run) / SPENT).read_text())
    except (OSError, ValueError):
        return {}
    return spent
