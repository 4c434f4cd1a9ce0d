"""``fl-client label``, ``leave-out`` and ``labels``: the words of the commands."""

import argparse
from pathlib import Path
from typing import Any

from fl_common.programs.command_line import add_command, add_home

_LABEL = """\
Tells what the sensors saw in an interval: a name, or what else the task is labelled with (several
names as "hot;loud"). A node that runs takes it within a second, another one when it starts.

Times are 2026-01-31T10:05:00 (in the machine's zone, unless an offset or Z follows), 10:05 (today),
15m (so long ago, in s, m, h or d) or now.
"""
_LABEL_EXAMPLES = """\
examples:
  fl-client label PEN --from 10:05 --to 10:07
  fl-client label PEN --from 90s --home /var/lib/kitchen
  fl-client label 21.5 --from 2026-01-31T10:05Z --to 2026-01-31T11:05Z --stream room-7
"""
_LEAVE_OUT = """\
Leaves an interval out of training: a sensor was broken or lay in a drawer, or what happened is
nobody's business. No window that shares time with it, of those that are there and those that come,
is trained or evaluated on from now on; predictions go on. fl-client labels shows it, and takes it
back.

Times are as those of fl-client label.
"""
_LEAVE_OUT_EXAMPLES = """\
examples:
  fl-client leave-out --from 10:05 --to 10:07
  fl-client leave-out --from 2d --home /var/lib/kitchen
  fl-client labels --withdraw 3f9a1c02
"""
_LABELS = """\
Shows the intervals that were told, by command or message, and those that are left out, the newest
20 (--all: all). Each has the windows that begin in it and have a label (one that is left out: those
that it keeps from training), and whether the ledger has charged the day for training. --withdraw
takes one back: its windows are labelled by what else was told. What was trained on before stays in
the models that came of it, and stays charged.
"""
_LABELS_EXAMPLES = """\
examples:
  fl-client labels
  fl-client labels --withdraw 3f9a1c02
  fl-client labels --json | python -m json.tool
"""


def add_commands(commands: Any) -> None:
    """Add ``label`` and ``labels`` to the sub-commands of a parser."""
    words = "what an interval of sensor data was"
    parser = add_command(commands, "label", _tell, words, _LABEL, _LABEL_EXAMPLES)
    parser.add_argument("label", metavar="LABEL", help="as the task has it")
    _add_interval(parser)
    words = "leave an interval of sensor data out of training"
    parser = add_command(commands, "leave-out", _keep_out, words, _LEAVE_OUT, _LEAVE_OUT_EXAMPLES)
    _add_interval(parser)
    words = "the intervals that were told or left out; take one back"
    parser = add_command(commands, "labels", _show, words, _LABELS, _LABELS_EXAMPLES)
    parser.add_argument("--withdraw", metavar="ID", help="take this one back")
    parser.add_argument("--all", action="store_true", help="show all of them")
    parser.add_argument("--json", action="store_true", help="for machines: all of them, as JSON")
    words = "the ledger's counter, if it is not beside the ledger"
    parser.add_argument("--counter", type=Path, metavar="FILE", help=words)
    add_home(parser)


def _add_interval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--from", dest="begin", required=True, metavar="TIME", help="see above")
    parser.add_argument("--to", dest="end", default="now", metavar="TIME", help="now if not given")
    parser.add_argument("--stream", metavar="NAME", help="whose windows, on a box with streams")
    add_home(parser)


def _keep_out(options: argparse.Namespace) -> None:
    from fl_client.labels.telling import keep_out

    keep_out(options.home, options.begin, options.end, options.stream)


def _tell(options: argparse.Namespace) -> None:
    from fl_client.labels.telling import tell  # no other command needs what it imports

    tell(options.home, options.label, options.begin, options.end, options.stream)


def _show(options: argparse.Namespace) -> None:
    from fl_client.labels import listing
    from fl_client.labels.telling import withdraw

    if options.withdraw is not None:
        withdraw(options.home, options.withdraw, options.counter)
    else:
        listing.show(options.home, options.counter, whole=options.all, as_json=options.json)
