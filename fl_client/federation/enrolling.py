"""``fl-client enroll``: a box makes its own key, and is let in by a token."""

import argparse
import socket
import sys
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration
from fl_common.programs import command_line
from fl_common.programs.requirements import TRAIN, check_installed

_DESCRIPTION = """\
Makes this box's key and lets the box in at its server, by a token that fl-server token has made.
The token names the server and the authority of its certificate, and nothing else is trusted. Prints
what the box's configuration needs; the key, the authority and the root of the component repository
are in FOLDER. A command that was cut off may be given again.
"""
_EXAMPLES = """\
examples:
  fl-client enroll --token ward.token --name ward-7 --to /var/lib/join-the-dots
  echo "$TOKEN" | fl-client enroll --token - --name ward-7
"""
_LARGEST_BYTES = 10_000


def add_command(commands: Any) -> None:
    """Add ``enroll`` to the sub-commands of a parser."""
    words = "make this box's key, and let it in at its server by a token"
    parser = command_line.add_command(commands, "enroll", _enroll, words, _DESCRIPTION, _EXAMPLES)
    words = "the file with the token; - for standard input, so that no list of processes shows it"
    parser.add_argument("--token", required=True, metavar="FILE", help=words)
    words = "the site's name; the machine's if not given"
    parser.add_argument("--name", default=socket.gethostname(), help=words)
    words = "for what the box needs; this folder if not given"
    parser.add_argument("--to", type=Path, default=Path(), metavar="FOLDER", help=words)


def _enroll(options: argparse.Namespace) -> None:
    check_installed("fl-client enroll", "train", TRAIN)
    from fl_client.federation.desk import DeskClient
    from fl_common.files.keys import SigningKey, fingerprint, make_key
    from fl_common.files.whole import write_whole
    from fl_common.wire.desk import Token, write_request

    token, folder = Token.read(_read(options.token)), options.to
    desk = DeskClient(token.server)
    authority = desk.authority(token.authority)
    path = folder / "site.key"
    if not path.exists():
        make_key(path)
    key = SigningKey(path)
    values = {
        "token": token.number,
        "secret": token.secret,
        "name": options.name,
        "public_key": key.public.decode(),
    }
    answer = desk.ask("enroll", write_request("enroll", values, [key]), authority)
    write_whole(folder / "authority.crt", authority)
    sys.stderr.write(f"enrolled as {options.name} with the key {fingerprint(key.public)}\n")
    lines = [
        f"name={options.name}",
        f"federation.server={token.server}",
        f"federation.ca_file={folder / 'authority.crt'}",
        f"federation.key_file={path}",
    ]
    if root := str(answer.get("root", "")):
        write_whole(folder / "1.root.json", root.encode())
        lines += [
            f"components.source=https://{token.server}/components",
            f"components.ca_file={folder / 'authority.crt'}",
            f"components.root={folder / '1.root.json'}",
        ]
    sys.stdout.write("\n".join(lines) + "\n")


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(_LARGEST_BYTES)
        with Path(name).open() as file:
            return file.read(_LARGEST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            f"--token={name}", f"can't be read ({error})", "Give the file, or - for standard input"
        ) from error
