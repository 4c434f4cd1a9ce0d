"""A run on real processes: SuperLink, proxy and a process for each site, on this machine."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path

from fl_client.federation.link import PollingIntervals
from fl_common.components.description import Component
from fl_common.configuration.addresses import Endpoint
from fl_common.configuration.rules import above, require_fields, whole
from fl_common.errors import RunFailed
from fl_common.files.keys import make_key
from fl_common.programs.own import own_program
from fl_common.programs.proxies import forget_proxies
from fl_server.cloud.children import RestartPolicy
from fl_server.cloud.credentials import make_own
from fl_server.cloud.endpoint import PublicEndpoint, ServerSettings
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.rounds.app import FederatedRun
from fl_server.rounds.roster import Roster
from fl_server.rounds.strategy import Federation, ask_roster
from simulate.engines.deployment.model import Served, read_served
from simulate.engines.process import quiet
from simulate.engines.protocol import Carrier, SimulatedFleet

_RESTART_POLICY = RestartPolicy(1.0, 30.0)
_DAYS = 30.0
_TICK_S = 0.1


@dataclass(frozen=True)
class DeploymentEngine:
    """Real processes: a SuperLink, the proxy, and one for each site.

    A site that is silent for twice ``heartbeat_s`` counts as gone; ``pace`` is that of its
    requests. It polls the repository every ``look_for_models_s``, and the run fails if a site does
    not run the published model within ``swap_timeout_s``.

    Raises:
        InvalidConfiguration: a value that is not a number above zero.
    """

    heartbeat_s: float
    pace: PollingIntervals
    look_for_models_s: float
    swap_timeout_s: float
    largest_message_bytes: int

    def __post_init__(self) -> None:
        require_fields(
            "engine",
            self,
            heartbeat_s=above(0),
            look_for_models_s=above(0),
            swap_timeout_s=above(0),
            largest_message_bytes=whole(1),
        )

    @property
    def name(self) -> str:
        """``deployment``."""
        return "deployment"

    def roster(self, sites: Sequence[str]) -> Roster:
        """Each node is asked once for its position."""
        return cache(partial(ask_roster, sites=sites))

    def prepare(self, fleet: SimulatedFleet, federation: Federation) -> None:
        """No-op: each site's process reads its own windows."""

    def start(self, fleet: SimulatedFleet) -> AbstractContextManager[Carrier]:
        """The processes of ``fleet``; their files are in ``deployment`` of the outputs folder."""
        return _deployed(fleet, self)


@dataclass(frozen=True)
class _Deployment:
    """Running processes; the site at each position has its own folder."""

    endpoint: PublicEndpoint
    sites: list[Path]
    engine: DeploymentEngine

    def carry_out(self, run: FederatedRun) -> None:
        """Perform the remaining rounds of ``run``."""
        with self.endpoint.superlink.run() as grid:
            run(grid)

    def await_model(self, component: Component) -> str:
        """Wait until every site runs ``component``; a line about it.

        Raises:
            RunFailed: some do not within ``engine.swap_timeout_s``.
        """
        began, patience_s = time.monotonic(), self.engine.swap_timeout_s
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
def _deployed(fleet: SimulatedFleet, engine: DeploymentEngine) -> Iterator[_Deployment]:
    """Real processes for ``fleet``, which end with this and talk on this machine alone."""
    forget_proxies()
    home, repository = CloudHome(fleet.folder.absolute() / "deployment"), fleet.open_repository()
    make_own(home, LOOPBACK, _DAYS)
    front_port, superlink_port = _free_port(), _free_port()
    settings = ServerSettings(
        home=home,
        listen=Endpoint(LOOPBACK[1], front_port),
        superlink_port=superlink_port,
        public=home.public,
        largest_message_bytes=engine.largest_message_bytes,
        restart_policy=_RESTART_POLICY,
        components=repository.folder.absolute(),
    )
    with (
        quiet("flwr"),
        quiet("httpx", level=logging.WARNING),
        PublicEndpoint(settings, threading.Event()) as endpoint,
    ):
        sites = []
        for position in range(len(fleet.world.sites)):
            server = f"localhost:{front_port}"
            file = _describe(fleet, engine, home, repository.folder, position, server)
            endpoint.superlink.enroll(make_key(file.with_name("site.key")))
            command = own_program("simulate.engines.deployment.site", str(file))
            endpoint.keep(f"site-{position:03d}", command)
            sites.append(file.parent)
        yield _Deployment(endpoint, sites, engine)


def _describe(
    fleet: SimulatedFleet,
    engine: DeploymentEngine,
    home: CloudHome,
    repository: Path,
    position: int,
    server: str,
) -> Path:
    """The file that the process of the site at ``position`` reads."""
    folder = home.folder / "sites" / f"{position:03d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.key").unlink(missing_ok=True)
    file, ca_file = folder / "site.json", str(home.authority.certificate)
    pace = type(engine.pace)
    values = {
        "world": fleet.world_yaml,
        "trainer": fleet.trainer_yaml,
        "ledger": str(fleet.ledger.absolute()),
        "folder": str(folder),
        "position": position,
        "federation": {
            "server": server,
            "ca_file": ca_file,
            "key_file": str(folder / "site.key"),
            "heartbeat_s": engine.heartbeat_s,
            "pace": {"_target_": f"{pace.__module__}.{pace.__name__}", **asdict(engine.pace)},
        },
        "components": {
            "source": f"https://{server}/components",
            "root": str(repository.absolute() / "metadata" / "1.root.json"),
            "ca_file": ca_file,
            "model": fleet.model,
            "every_s": engine.look_for_models_s,
        },
    }
    file.write_text(json.dumps(values))
    return file


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK[1], 0))
        return int(one.getsockname()[1])
