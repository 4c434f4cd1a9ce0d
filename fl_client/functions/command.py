"""``fl-client functions``: the windows that functions failed at, and what to do with them."""

import argparse
from typing import Any

from fl_common.programs.command_line import add_command as add_to
from fl_common.programs.command_line import add_home

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
    from fl_client.functions import letters  # no other command needs what it imports

    if options.action == "letters":
        letters.show(options.home, options.name, whole=options.all, as_json=options.json)
    else:
        letters.settle(options.home, options.name, options.action)
