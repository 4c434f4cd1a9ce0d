"""``fl-client ledger``: privacy spent, by block of data; and a new counter for a ledger."""

import argparse
import json
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from rich.console import Console

from fl_client.ledger import Ledger
from fl_client.ledger_adopt import adopt
from fl_client.ledger_table import (
    BlockState,
    block_table,
    date_text,
    site_table,
    states_of,
    to_json,
    what_epsilons_are,
)
from fl_common.errors import InvalidConfiguration

_LEDGER_NAME = "ledger.sqlite"
_NAMED_SITES = 10
_DESCRIPTION = """\
Shows what each block of a site's data has spent, what is left of the limit, and by which runs and
rounds. A ledger of several sites shows a line for each; --site NAME shows the blocks of one.

A ledger that was edited, cut off or put back from an old copy is refused, with the line at fault.
Put the newest copy back. Where that is gone, or the ledger's counter is, `fl-client ledger adopt`
makes a new counter, and writes down in the ledger that it did and what was lost: what was spent in
lost lines is forgotten, so remove the data of that time from the site.
"""
_EXAMPLES = """\
examples:
  fl-client ledger --path outputs/2026-01-31/12-00-00 --site anna
  fl-client ledger --json | python -m json.tool
"""


def add_command(commands: Any) -> None:
    """Add ``ledger`` to the sub-commands of a parser (``argparse``'s own, unnamed type)."""
    parser = commands.add_parser(
        "ledger",
        help="privacy spent, by block of data",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "action",
        nargs="?",
        choices=("show", "adopt"),
        default="show",
        metavar="adopt",
        help="make a new counter (see above); without it, the ledger is shown",
    )
    parser.add_argument(
        "--path",
        type=Path,
        default=Path(_LEDGER_NAME),
        metavar="FILE",
        help=f"the ledger, or its folder; {_LEDGER_NAME} if not given",
    )
    parser.add_argument(
        "--counter",
        type=Path,
        metavar="FILE",
        help="the ledger's counter, where it is not beside the ledger",
    )
    parser.add_argument("--site", metavar="NAME", help="the blocks of this site alone")
    parser.add_argument("--json", action="store_true", help="for machines: every block, as JSON")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    path = options.path / _LEDGER_NAME if options.path.is_dir() else options.path
    if not path.is_file():
        raise InvalidConfiguration(
            f"--path={path}", "is not a file", "Give a ledger, or the folder of a simulated run"
        )
    if options.action == "adopt":
        _adopt(path, options.counter)
    else:
        _show(path, options)


def _adopt(path: Path, counter: Path | None) -> None:
    why = adopt(path, time.time, counter)
    done = f"has a new counter, and a line that says so: {why}" if why else "needs no new counter"
    _output().print(f"{path}: {done}.")


def _show(path: Path, options: argparse.Namespace) -> None:
    with closing(Ledger(path, time.time, None, options.counter)) as ledger:
        sites = ledger.sites()
        if options.site is not None:
            _check_site(options.site, sites, ledger.owner)
            sites = [options.site]
        states = states_of(ledger, sites)
        if options.json:
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
    """Standard output: a line is wrapped on a terminal alone."""
    return Console(highlight=False, markup=False, soft_wrap=True)
