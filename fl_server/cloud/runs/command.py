"""``fl-server runs``: the words of the command."""

import argparse
import json
import sys

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration

ACTIONS = ("list", "show", "start", "stop")
ABOUT = """\
The server carries out one run after the other. `list` shows them in this order, and `show` one with
its settings and rounds. `start` puts a run at the end of the queue, with values over those of the
server's configuration; a run that was stopped goes on after its newest round. `stop` ends a run or
takes it from the queue, and keeps what it has done."""
EXAMPLES = """\
  fl-server runs list --config server.yaml
  fl-server runs start second rounds=50 privacy.epsilon=4 --config server.yaml
  fl-server runs show second --config server.yaml
  fl-server runs stop second --config server.yaml"""
_FILE_WIDTH = 160


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command alone."""
    parser.add_argument("action", choices=ACTIONS, help="see above")
    parser.add_argument("name", nargs="?", metavar="RUN", help="the run's name; not with list")
    parser.add_argument("--json", action="store_true", help="with list and show: for machines")


def settle(options: argparse.Namespace) -> None:
    """Take a word that follows ``list`` for the override that it is."""
    if options.name is not None and "=" in options.name:
        options.overrides.insert(0, options.name)
        options.name = None


def run(config: Config, options: argparse.Namespace) -> None:
    """Carry out the command.

    Raises:
        InvalidConfiguration: no name, or one too many.
    """
    from fl_server.cloud.runs import commands  # no other command needs what it imports

    name = _name(options)
    if options.action == "start":
        _say(commands.start(options.config, config, name, options.overrides))
    elif options.action == "stop":
        _say(commands.stop(config, name))
    elif options.json:
        found = commands.shown(config, name) if options.action == "show" else commands.rows(config)
        _say(json.dumps(found, indent=1))
    else:
        _show(config, None if options.action == "list" else name)


def _name(options: argparse.Namespace) -> str:
    if (options.name is None) is (options.action == "list"):
        return str(options.name)
    rule = "takes no name" if options.action == "list" else "needs the name of a run"
    remedy = "Give such as fl-server runs show first"
    raise InvalidConfiguration(f"fl-server runs {options.action}", rule, remedy)


def _show(config: Config, name: str | None) -> None:
    """As tables, a run of this ``name`` or all."""
    from rich.console import Console

    from fl_server.cloud.runs import commands
    from fl_server.cloud.runs.table import run_table, runs_table

    if name is None and not (rows := commands.rows(config)):
        _say("no run yet")
        return
    width = None if sys.stdout.isatty() else _FILE_WIDTH
    table = runs_table(rows) if name is None else run_table(commands.shown(config, name))
    Console(highlight=False, width=width).print(table)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
