"""``fl-client key``: the key by which a server knows this box, made here."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.programs import command_line
from fl_common.programs.requirements import TRAIN, check_installed

_DESCRIPTION = """\
Makes the key by which the server of a federation knows this box. FILE is the private key, readable
by its owner alone; it stays on the box (federation.key_file). The public half lies beside it, with
the ending .pub: carry it to the server, compare the fingerprint there, and let the box in with
`fl-server enroll SITE --public FILE.pub`.

With --rotate the box of the configuration gets another key instead: the server takes it at the word
of the old one, and the name, the ledger and what the server counts stay. A command that was cut off
may be given again.
"""
_EXAMPLES = """\
examples:
  fl-client key kitchen.key
  fl-client key /var/lib/join-the-dots/site.key
  fl-client key --rotate --config kitchen.yaml
"""


def add_command(commands: Any) -> None:
    """Add ``key`` to the sub-commands of a parser."""
    words = "make the key by which a server knows this box"
    parser = command_line.add_command(commands, "key", _key, words, _DESCRIPTION, _EXAMPLES)
    words = "the private key, a new file; not with --rotate"
    parser.add_argument("file", nargs="?", metavar="FILE", help=words)
    words = "exchange the key of the box that --config or key=value describe"
    parser.add_argument("--rotate", action="store_true", help=words)
    parser.add_argument("--config", type=Path, metavar="FILE", help="the box's YAML file")
    parser.set_defaults(overrides=[])


def _key(options: argparse.Namespace) -> None:
    if options.rotate:
        _rotate(options.config, [*([options.file] if options.file else []), *options.overrides])
    elif options.file is None or options.config or options.overrides:
        raise InvalidConfiguration(
            "fl-client key", "makes one key, and wants its file", "Give FILE, or --rotate"
        )
    else:
        _make(Path(options.file))


def _make(private: Path) -> None:
    check_installed("fl-client key", "train", ("cryptography",))
    from fl_common.files.keys import fingerprint, make_key
    from fl_common.files.whole import write_whole

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


def _rotate(file: Path | None, overrides: Sequence[str]) -> None:
    check_installed("fl-client key --rotate", "train", TRAIN)
    from fl_client.configuration import read_config
    from fl_client.federation.command import check_federation
    from fl_client.federation.rotation import rotate

    config = read_config(file, overrides)
    check_federation(config["federation"])
    number = rotate(config["name"], config["federation"])
    sys.stdout.write(f"{config['name']} has a new key: {number}\n")
