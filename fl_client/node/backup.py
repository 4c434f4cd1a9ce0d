"""``fl-client backup`` and ``restore``: a box's folder without its readings.

A backup has the privacy ledger, models, the state of the federation and the answers that were sent.
It has no readings and labels: whoever restores it can't know what was spent on them since, and a
copy of them would be one more place to protect. Nor has it the ledger's counter, whose purpose is
to show that a ledger is an old copy; ``restore`` makes a new one, and notes it in the ledger.
"""

import argparse
import sys
import time
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from fl_client.clock.vouching import FILE as CLOCK
from fl_client.home import LEDGER, RECORD, STORE
from fl_common.files.backup import restore_backup, write_backup
from fl_common.programs.command_line import add_command, add_home

_BACKUP = """\
Writes the box's folder, without its readings and labels, to FILE (tar, gzip), which its owner alone
may read. The box may run meanwhile. The box's key and configuration lie outside of the folder:
keep copies of them, too.
"""
_RESTORE = """\
Unpacks a backup into a folder that does not exist yet, with a new counter of the privacy ledger,
which notes that. What was spent after the backup is not in it, so the data of that time must not
come back. Where the box takes part in a federation, its server knows how far the ledger was: the
box then says what to do before it trains again (fl-client status).
"""
_LEFT_OUT = (f"{STORE}*", f"{LEDGER}.counter", RECORD, CLOCK, "*.lock", "logs")


def add_commands(commands: Any) -> None:
    """Add ``backup`` and ``restore`` to the sub-commands of a parser."""
    for name, run, words, about in (
        ("backup", _backup, "the box's folder, without readings, as one file", _BACKUP),
        ("restore", _restore, "a box's folder from a backup", _RESTORE),
    ):
        example = f"example:\n  fl-client {name} kitchen.tar.gz --home /var/lib/kitchen"
        parser = add_command(commands, name, run, words, about, example)
        parser.add_argument("file", type=Path, metavar="FILE", help="the backup")
        add_home(parser)


def _backup(options: argparse.Namespace) -> None:
    from fl_client.node.status import read_status

    read_status(options.home)  # refuses a folder that is no site's
    files = write_backup(options.home, options.file, _keeps)
    sys.stdout.write(f"{options.file}: {files} files of {options.home}, without readings\n")


def _restore(options: argparse.Namespace) -> None:
    files = restore_backup(options.file, options.home)
    sys.stdout.write(f"{options.home}: {files} files, without readings\n")
    ledger = options.home / LEDGER
    if not ledger.is_file():
        return
    from fl_client.ledger.adopt import adopt

    adopt(ledger, time.time)
    sys.stdout.write(
        f"{ledger}: has a new counter. Do not put readings back that are older than now: what was"
        " spent on them since the backup is not known. fl-client ledger shows what is.\n"
    )


def _keeps(path: PurePath) -> bool:
    return not any(fnmatch(path.parts[0], pattern) for pattern in _LEFT_OUT)
