"""``fl-client functions``: the windows that functions failed at, and what to do with them."""

import argparse
import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fl_client.home import STORE
from fl_client.store.database import open_store, reading
from fl_client.store.function_inbox import Letter, drop_letters, letters_in, retry_letters
from fl_common.errors import InvalidConfiguration
from fl_common.programs.command_line import add_command as add_to
from fl_common.programs.command_line import add_home

_SHOWN = 20
_DESCRIPTION = """\
A window that a function fails at is kept as a letter: the prediction, and why. It stays in the
site's store, at most 1000 letters or 16 MB; beyond that the oldest go.

  letters       what is kept, the newest 20 (--all: all); NAME: of this function alone
  retry NAME    shows the windows of its letters to the function again, with their own times; for
                when it has been mended. A node that runs does it within a second, another one when
                it starts
  drop NAME     throws its letters away
"""
_EXAMPLES = """\
examples:
  fl-client functions letters --home /var/lib/kitchen
  fl-client functions retry alarm
"""


def add_command(commands: Any) -> None:
    """Add ``functions`` to the sub-commands of a parser."""
    words = "windows that a function failed at"
    parser = add_to(commands, "functions", _run, words, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("action", choices=("letters", "retry", "drop"), help="see above")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the function")
    parser.add_argument("--all", action="store_true", help="with letters: all of them")
    parser.add_argument("--json", action="store_true", help="with letters: all, as JSON lines")
    add_home(parser)


def _run(options: argparse.Namespace) -> None:
    store = _store_in(options.home)
    with reading(store) as connection:
        everything = letters_in(connection, None)
    names = Counter(letter.name for letter in everything)
    if options.action == "letters":
        mine = [one for one in everything if options.name in (None, one.name)]
        return _print(mine) if options.json else _show(mine, None if options.all else _SHOWN)
    if options.name not in names:
        kept = ", ".join(f"{name} ({count})" for name, count in names.items()) or "none"
        raise InvalidConfiguration(
            f"fl-client functions {options.action} {options.name or ''}".rstrip(),
            "needs the name of a function that has letters" if options.name is None
            else "names a function without letters",
            f"Those with letters: {kept}",
        )  # fmt: skip
    with closing(open_store(store)) as connection:
        act = retry_letters if options.action == "retry" else drop_letters
        count = act(connection, options.name)
    done = "wait to be shown again" if options.action == "retry" else "were thrown away"
    return Console(highlight=False).print(f"{count:,} letters of {options.name} {done}")


def _store_in(home: Path) -> Path:
    if not (home / STORE).is_file():
        remedy = "Give the folder of a box that has run"
        raise InvalidConfiguration(f"--home={home}", f"has no {STORE}", remedy)
    return home / STORE


def _print(letters: list[Letter]) -> None:
    """Each letter as a line of JSON."""
    for letter in letters:
        fields = {"function": letter.name, "why": letter.reason, **letter.predicted.to_fields()}
        Console(highlight=False, markup=False, soft_wrap=True).out(json.dumps(fields))


def _show(letters: list[Letter], most: int | None) -> None:
    output = Console(highlight=False)
    if not letters:
        return output.print("no letters")
    table = Table(box=None, padding=(0, 2, 0, 0))
    streams = any(letter.predicted.stream for letter in letters)
    for heading in ("function", "window", *(["stream"] if streams else []), "label"):
        table.add_column(heading, header_style="bold", no_wrap=True)
    table.add_column("why", header_style="bold", overflow="fold")
    for letter in letters[-most:] if most else letters:
        predicted = letter.predicted
        when = datetime.fromtimestamp(predicted.start_ns / 1e9, UTC)
        start = f"{when:%Y-%m-%d %H:%M:%S.%f}"[:-3]
        named = [predicted.stream] if streams else []
        row = letter.name, start, *named, predicted.label, letter.reason
        table.add_row(*map(Text, row))  # somebody else's words, and no markup
    output.print(table)
    if most and len(letters) > most:
        output.print(f"and {len(letters) - most:,} older ones: --all shows them")
    return None
