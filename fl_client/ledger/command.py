"""``fl-client ledger``: show the privacy spent by block of data, or make a new counter."""

import argparse
import re
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.programs import command_line

_LEDGER_NAME = "ledger.sqlite"
_DESCRIPTION = """\
Shows what each block of a site's data has spent, what is left of the limit, and by which runs and
rounds. A ledger of several sites shows a line for each; --site NAME shows the blocks of one.

A ledger that was edited, cut off or restored from an old copy is refused, with the line at fault.
Put the newest copy back. If that or the ledger's counter is gone, `fl-client ledger adopt` makes a
new counter, and records in the ledger that it did and what was lost. What was spent in lost lines
is forgotten, so remove the data of that time from the site.
"""
_EXAMPLES = """\
examples:
  fl-client ledger --home outputs/2026-01-31/12-00-00 --site anna
  fl-client ledger --json | python -m json.tool
"""


def add_command(commands: Any) -> None:
    """Add ``ledger`` to the sub-commands of a parser."""
    words = "privacy spent, by block of data"
    parser = command_line.add_command(commands, "ledger", _run, words, _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "action",
        nargs="?",
        choices=("show", "adopt"),
        default="show",
        metavar="adopt",
        help="make a new counter (see above); without it, the ledger is shown",
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path("site"),
        metavar="FOLDER",
        help="the site's folder, a simulated run's, or a ledger; site if not given",
    )
    parser.add_argument(
        "--counter",
        type=Path,
        metavar="FILE",
        help="the ledger's counter, if it is not beside the ledger",
    )
    parser.add_argument(
        "--seen",
        metavar="DIGEST",
        help="with adopt: what a server has seen of the ledger, and is lost; from the refusal",
    )
    parser.add_argument("--site", metavar="NAME", help="only the blocks of this site")
    parser.add_argument("--json", action="store_true", help="for machines: every block, as JSON")


def _checked(seen: str | None) -> str | None:
    if seen is not None and not re.fullmatch("[0-9a-f]{64}", seen):
        raise InvalidConfiguration(
            f"--seen={seen}",
            "is not a digest of 64 hexadecimal digits",
            "Copy it from the site's log, where the refusal names it",
        )
    return seen


def _run(options: argparse.Namespace) -> None:
    path = options.home / _LEDGER_NAME if options.home.is_dir() else options.home
    if not path.is_file():
        rule = f"has no {_LEDGER_NAME}" if options.home.is_dir() else "is not there"
        remedy = "Give the folder of a site that was charged, or of a simulated run"
        raise InvalidConfiguration(f"--home={options.home}", rule, remedy)
    from fl_client.ledger import (
        show as ledger_show,  # accounting takes a second to import
    )

    if options.action == "adopt":
        ledger_show.renew(path, options.counter, _checked(options.seen))
    else:
        ledger_show.show(path, options.counter, options.site, as_json=options.json)
