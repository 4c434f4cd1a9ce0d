"""``docs/how-to/deploy.md`` and ``fleets.md``, typed on one machine into a shell."""

import re
from pathlib import Path

from tests.support.ports import free_port
from tests.support.shell import blocks, desk, replaced, typed

READY = 'until [ "$(grep -c "ready: sites reach" printed.txt)" = {} ]; do sleep 0.2; done'
BOX = """
defaults: [node, _self_]
name: kitchen
http: {port: 0}
broker: null
sensors: {}
annotations: null
federation:
  server: localhost:PORT
  ca_file: server/handout/kitchen/authority.crt
  key_file: kitchen.key
"""
NUMBER = '$(grep -o \'"token": "[^"]*\' tokens.json | cut -d\'"\' -f4)'


def placed(folder: Path, port: int) -> None:
    """The configuration that the page shows, with this machine's folder, name and ports."""
    shown = blocks("docs/how-to/deploy.md", "yaml")[0]
    shown = shown.replace("/var/lib/join-the-dots", "server").replace("fl.example.org", "localhost")
    ports = f"listen: 127.0.0.1:{port}\nsuperlink_port: {free_port()}\n"
    (folder / "server.yaml").write_text(shown + ports)
    (folder / "kitchen.yaml").write_text(BOX.replace("PORT", str(port)))


def test_the_pages_of_deployment(alone: None, tmp_path: Path) -> None:
    """In the pages' order, but that fleets.md comes before the backup and the revocation."""
    reader, port = desk(tmp_path / "reader"), free_port()
    placed(reader, port)
    (start,) = map(str.strip, blocks("docs/how-to/deploy.md#the-server"))
    key, enroll, control = blocks("docs/how-to/deploy.md#a-site")
    (copies,) = blocks("docs/how-to/deploy.md#back-up-and-restore")
    token, box, tokens = blocks("docs/how-to/fleets.md#let-boxes-enroll-themselves")
    (tables,) = blocks("docs/how-to/fleets.md#see-how-the-boxes-are")
    (rotate,) = blocks("docs/how-to/fleets.md#exchange-keys")
    status, revoke = control.splitlines()
    backup, restore, *_box = copies.splitlines()  # tests/docs/test_edge_node_page.py
    listed, over = tokens.splitlines()
    shown = typed(
        "\n".join([
            f"{start} & server=$!", READY.format(1),
            key, enroll, status,
            token, replaced(box, ("/var/lib/", "")),
            f"{listed} | tee tokens.json", replaced(over, ("3f9c1a2b4d5e", NUMBER)),
            tables, rotate,
            backup, revoke,
            "kill $server", "wait $server", "mv server lost",
            restore, f"{start} & server=$!", READY.format(2),
            tables.splitlines()[1], "kill $server",
        ]),
        reader,
    )  # fmt: skip
    for words in (
        r"federation\.server=localhost:\d+\nfederation\.ca_file=.*/handout/kitchen/authority\.crt\n",
        r"enrolled as ward-7 with the key ",
        r"components\.root=ward-7/1\.root\.json\n",
        r'"used_by": \[\s+"ward-7"\s+\]',
        r"token \w+ is revoked; the boxes that came with it stay",
        r"kitchen has a new key: ",
        r"fl-2026-01-31\.tar\.gz: \d+ files of server",
        r"kitchen is revoked: ",
        r"server: \d+ files\. Start it with",
    ):
        assert re.search(words, shown), f"{words} is not in {shown}"
    restored = shown.rpartition("ready: sites reach")[2]
    assert {"kitchen", "ward-7"} <= set(re.findall(r'"([\w-]+)": \{', restored)), restored
