"""``fl-client clock``: what keeps a box's clock, and the operator's word that it is right."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fl_client.clock.guard import Instant, moment
from fl_client.clock.machine import THIS_MACHINE
from fl_client.clock.vouching import Vouching
from fl_common.errors import InvalidConfiguration
from fl_common.programs.command_line import add_command as add
from fl_common.programs.command_line import add_home

_ABOUT = """\
Shows the machine's clock and who vouches for it. A node that can't believe its clock, as fl-client
status says then, keeps messages in its store and deletes nothing. It goes on by itself once the
clock is set right. If the clock is right as it is, say so with --trust: that holds until the clock
is set again or the machine restarts.
"""
_EXAMPLE = "example:\n  fl-client clock --home /var/lib/kitchen --trust"


def add_command(commands: Any) -> None:
    """Add ``clock`` to the sub-commands of a parser."""
    parser = add(commands, "clock", _clock, "who vouches for the clock", _ABOUT, _EXAMPLE)
    add_home(parser)
    parser.add_argument("--trust", action="store_true", help="say that the clock is right")


def remedy_for(home: Path) -> str:
    """What to do about a clock that the site in ``home`` does not believe."""
    return (
        "Set the clock, best by NTP, or if it is right say so: fl-client clock --trust --home"
        f" {home}"
    )


def _clock(options: argparse.Namespace) -> None:
    if not options.home.is_dir():
        remedy = "Name the folder of a node: --home FOLDER"
        raise InvalidConfiguration(f"home={options.home}", "is no folder", remedy)
    vouching, now = Vouching(options.home, THIS_MACHINE), THIS_MACHINE.clocks()
    if options.trust:
        vouching.trust(now)
    sys.stdout.writelines(f"{line}\n" for line in _lines(vouching, now))


def _lines(vouching: Vouching, now: Instant) -> Iterator[str]:
    yield f"the clock reads {moment(now.wall_ns)}"
    if vouching.machine.synchronised():
        yield "NTP or the like keeps it, by the kernel's word"
    else:
        yield "nothing keeps it, as far as the kernel knows"
    if vouching.is_trusted(now):
        yield "you said that it is right"
