"""A run on real processes: SuperLink, proxy and a process for each site, on this machine."""

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.components.description import Component
from fl_common.errors import RunFailed
from fl_server.cloud.certificates import make_site_key
from fl_server.cloud.children import RestartPolicy
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.cloud.serving import PublicEndpoint, ServerSettings, make_own
from fl_server.repository.store.repository import ComponentRepository
from fl_server.rounds.app import FederatedRun
from simulate.engines.deployment.model import Served, read_served

_RESTARTING = RestartPolicy(1.0, 30.0)
_DAYS = 30.0
_TICK_S = 0.1


@dataclass(frozen=True)
class ProcessFleet:
    """What each site's process needs: its windows and trainer (as YAML), and the shared ledger.

    ``model`` is the name of the run's model in ``repository``.
    """

    world: str
    trainer: str
    ledger: Path
    sites: int
    model: str
    repository: ComponentRepository


@dataclass(frozen=True)
class Deployment:
    """Running processes; the site at each position has a folder of its own."""

    front: PublicEndpoint
    sites: list[Path]
    engine: Mapping[str, Any]

    def carry_out(self, run: FederatedRun) -> None:
        """All rounds of ``run`` that are left."""
        with self.front.superlink.run() as grid:
            run(grid)

    def await_swap(self, component: Component) -> str:
        """Wait until every site runs ``component``; a line about it.

        Raises:
            RunFailed: some do not within ``engine.swap_timeout_s``.
        """
        began, patience_s = time.monotonic(), float(self.engine["swap_timeout_s"])
        while len(found := self._running(component)) < len(self.sites):
            if time.monotonic() - began > patience_s:
                raise RunFailed(
                    f"{len(found)} of {len(self.sites)} sites run {component} after"
                    f" {patience_s:g} s. Their logs are beside {self.sites[0].parent}"
                )
            time.sleep(_TICK_S)
        windows, right = (sum(getattr(s, f) for s in found) for f in ("windows", "right"))
        return (
            f"{len(found)} of {len(self.sites)} sites run {component},"
            f" {time.monotonic() - began:.1f} s after it was published; of the {windows} windows"
            f" of their recordings it has {right / windows:.1%} right"
        )

    def _running(self, component: Component) -> list[Served]:
        served = [read_served(site) for site in self.sites]
        return [one for one in served if one is not None and one.component == component.digest]


@contextmanager
def deployed(fleet: ProcessFleet, engine: Mapping[str, Any], folder: Path) -> Iterator[Deployment]:
    """Real processes for ``fleet``, which end with this; their files are in ``folder``."""
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("flwr").setLevel(logging.ERROR)
    home = CloudHome(folder.absolute())
    make_own(home, LOOPBACK, _DAYS)
    front_port, superlink_port = _free_port(), _free_port()
    settings = ServerSettings(
        *(home, f"{LOOPBACK[1]}:{front_port}", superlink_port, home.public),
        *(engine["largest_message_bytes"], _RESTARTING, fleet.repository.folder.absolute()),
    )
    with PublicEndpoint(settings, threading.Event()) as front:
        sites = []
        for position in range(fleet.sites):
            file = _describe(fleet, engine, home, position, f"localhost:{front_port}")
            front.superlink.enroll(make_site_key(file.with_name("site.key")))
            command = [sys.executable, "-m", "simulate.engines.deployment.site", str(file)]
            front.keep(f"site-{position:03d}", command)
            sites.append(file.parent)
        yield Deployment(front, sites, engine)


def _describe(
    fleet: ProcessFleet, engine: Mapping[str, Any], home: CloudHome, position: int, server: str
) -> Path:
    """The file that the process of the site at ``position`` reads."""
    folder = home.folder / "sites" / f"{position:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.key").unlink(missing_ok=True)
    file, ca_file = folder / "site.json", str(home.authority.certificate)
    values = {
        "world": fleet.world,
        "trainer": fleet.trainer,
        "ledger": str(fleet.ledger.absolute()),
        "folder": str(folder),
        "position": position,
        "federation": {
            "server": server,
            "ca_file": ca_file,
            "key_file": str(folder / "site.key"),
            "heartbeat_s": engine["heartbeat_s"],
            "pace": dict(engine["pace"]),
        },
        "components": {
            "source": f"https://{server}/components",
            "root": str(fleet.repository.folder.absolute() / "metadata" / "1.root.json"),
            "ca_file": ca_file,
            "model": fleet.model,
            "every_s": engine["look_for_models_s"],
        },
    }
    file.write_text(json.dumps(values))
    return file


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK[1], 0))
        return int(one.getsockname()[1])
