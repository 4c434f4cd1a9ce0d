"""``fl-client key``: the key by which a server knows this box, made here."""

import argparse
import sys
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.programs import command_line
from fl_common.programs.requirements import check_installed

_DESCRIPTION = """\
Makes the key by which the server of a federation knows this box. FILE is the private key, readable
by its owner alone; it stays on the box (federation.key_file). The public half lies beside it, with
the ending .pub: carry it to the server, compare the fingerprint there, and let the box in with
`fl-server enroll SITE --public FILE.pub`.
"""
_EXAMPLES = """\
examples:
  fl-client key kitchen.key
  fl-client key /var/lib/join-the-dots/site.key
"""


def add_command(commands: Any) -> None:
    """Add ``key`` to the sub-commands of a parser."""
    words = "make the key by which a server knows this box"
    parser = command_line.add_command(commands, "key", _key, words, _DESCRIPTION, _EXAMPLES)
    parser.add_argument("file", type=Path, metavar="FILE", help="the private key, a new file")


def _key(options: argparse.Namespace) -> None:
    check_installed("fl-client key", "train", ("cryptography",))
    from fl_common.files.keys import fingerprint, make_key
    from fl_common.files.whole import write_whole

    private = options.file
    public = private.with_name(f"{private.name.removesuffix('.key')}.pub")
    if public.exists():
        raise InvalidConfiguration(str(public), "exists already", "Remove it, or name another file")
    key = make_key(private)
    try:
        write_whole(public, key)
    except OSError as error:
        private.unlink()
        raise InvalidConfiguration(
            str(public), f"can't be written ({error.strerror})", "Name another file or folder"
        ) from error
    sys.stdout.write(f"private  {private}\npublic   {public}\nkey      {fingerprint(key)}\n")
