"""A run on real processes: SuperLink, proxy and a process for each site, on this machine."""

import json
import logging
import socket
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_server.app import FederatedRun
from fl_server.cloud.certificates import make_site_key
from fl_server.cloud.children import Restarting
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.cloud.serving import Front, Settings, make_own

_RESTARTING = Restarting(1.0, 30.0)
_DAYS = 30.0


@dataclass(frozen=True)
class Fleet:
    """What each site's process needs: its windows and trainer (as YAML), and the shared ledger."""

    world: str
    trainer: str
    ledger: Path
    sites: int


def run_deployed(run: FederatedRun, fleet: Fleet, engine: Mapping[str, Any], folder: Path) -> None:
    """Carry out ``run`` on real processes, which end with it; their files are in ``folder``."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    home = CloudHome(folder.absolute())
    make_own(home, LOOPBACK, _DAYS)
    front_port, superlink_port = _free_port(), _free_port()
    settings = Settings(
        *(home, f"{LOOPBACK[1]}:{front_port}", superlink_port, home.public),
        *(engine["largest_message_bytes"], _RESTARTING),
    )
    with Front(settings, threading.Event()) as front:
        for position in range(fleet.sites):
            name = f"site-{position:03d}"
            file = _describe(fleet, engine, home, position, f"localhost:{front_port}")
            public_key = make_site_key(file.with_name("site.key"))
            front.superlink.enroll(public_key)
            front.keep(name, [sys.executable, "-m", "simulate.site", str(file)])
        with front.superlink.run() as grid:
            run(grid)


def _describe(
    fleet: Fleet, engine: Mapping[str, Any], home: CloudHome, position: int, server: str
) -> Path:
    """The file that the process of the site at ``position`` reads."""
    folder = home.folder / "sites" / f"{position:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.key").unlink(missing_ok=True)
    file = folder / "site.json"
    values = {
        "world": fleet.world,
        "trainer": fleet.trainer,
        "ledger": str(fleet.ledger.absolute()),
        "folder": str(folder),
        "position": position,
        "federation": {
            "server": server,
            "ca_file": str(home.authority.certificate),
            "key_file": str(folder / "site.key"),
            "heartbeat_s": engine["heartbeat_s"],
            "pace": dict(engine["pace"]),
        },
    }
    file.write_text(json.dumps(values))
    return file


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK[1], 0))
        return int(one.getsockname()[1])
