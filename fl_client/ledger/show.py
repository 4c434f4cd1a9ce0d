"""What ``fl-client ledger`` does: print a ledger, or give it a new counter."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console

from fl_client.ledger.adopt import adopt
from fl_client.ledger.ledger import Ledger
from fl_client.ledger.table import (
    BlockState,
    block_table,
    date_text,
    site_table,
    states_of,
    to_json,
    what_epsilons_are,
)
from fl_common.errors import InvalidConfiguration

_NAMED_SITES = 10


def renew(path: Path, counter: Path | None, seen: str | None) -> None:
    """Give the ledger at ``path`` a new counter if it needs one, and report it.

    ``seen``: see ``adopt``.

    Raises:
        LedgerError: it can't be read or written.
    """
    why = adopt(path, time.time, counter, seen)
    done = f"has a new counter, and a line that says so: {why}" if why else "needs no new counter"
    _output().print(f"{path}: {done}.")


def show(path: Path, counter: Path | None, site: str | None, *, as_json: bool) -> None:
    """Print the ledger at ``path``, or only the blocks of ``site``.

    Raises:
        LedgerError: it can't be trusted.
        InvalidConfiguration: no such site.
    """
    with closing(Ledger(path, time.time, None, counter)) as ledger:
        sites = ledger.sites()
        if site is not None:
            _check_site(site, sites, ledger.owner)
            sites = [site]
        states = states_of(ledger, sites)
        if as_json:
            _output().out(json.dumps(to_json(ledger, states), indent=1))
        else:
            _print(ledger, len(sites), states)


def _check_site(site: str, sites: Sequence[str], owner: str) -> None:
    if site not in sites:
        more = f" and {len(sites) - _NAMED_SITES} more" if len(sites) > _NAMED_SITES else ""
        known = ", ".join(sites[:_NAMED_SITES]) + more if sites else "no charge of any site"
        raise InvalidConfiguration(
            f"--site={site}", f"was never charged in the ledger of {owner}", f"It has {known}"
        )


def _print(ledger: Ledger, sites: int, states: Sequence[BlockState]) -> None:
    output = _output()
    if not states:
        output.print(f"The ledger of {ledger.owner} has no charges.")
    else:
        output.print(site_table(states) if sites > 1 else block_table(states))
    for text in what_epsilons_are(states):
        output.print(text)
    if sites > 1:
        output.print("A site's block that has spent most is shown; --site NAME shows them all.")
    for when, note in ledger.notes():
        output.print(f"{date_text(when)}: {note}.", style="bold")


def _output() -> Console:
    """Standard output; lines are wrapped only on a terminal."""
    return Console(highlight=False, markup=False, soft_wrap=True)
