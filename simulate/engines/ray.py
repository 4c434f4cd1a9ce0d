"""Flower's simulation runtime (Ray): the same two apps, a process per CPU, or a cluster.

``flwr.simulation.run_simulation`` is deprecated in favour of ``flwr run``, which takes an app
folder instead of app objects; only this module depends on it.
"""

import logging
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache, partial
from tempfile import TemporaryDirectory

from flwr.serverapp import ServerApp

from fl_client.app import SiteApp
from fl_common.components.description import Component
from fl_common.configuration.rules import require_fields, whole
from fl_common.errors import RunFailed
from fl_server.rounds.app import FederatedRun, build_server_app
from fl_server.rounds.roster import Roster
from fl_server.rounds.strategy import Federation, ask_roster
from simulate.build import build_site_app
from simulate.engines.process import environment, quiet
from simulate.engines.protocol import Carrier, SimulatedFleet
from simulate.engines.ray_cluster import check_address, check_processors, cluster


@dataclass(frozen=True)
class RayEngine:
    """One virtual SuperNode for each site; a site's task uses ``cpus_per_site`` processors.

    ``address`` is that of a Ray cluster whose every user may read the sites' windows; None: the run
    has one to itself.

    Raises:
        InvalidConfiguration: ``cpus_per_site`` is not a whole number from 1, or more than this
            machine has for a cluster of its own; or ``address`` is not ``host:port``.
    """

    cpus_per_site: int
    address: str | None

    def __post_init__(self) -> None:
        require_fields("engine", self, cpus_per_site=whole(1))
        check_address(self.address)
        if self.address is None:
            check_processors(self.cpus_per_site)

    @property
    def name(self) -> str:
        """``ray``."""
        return "ray"

    def roster(self, sites: Sequence[str]) -> Roster:
        """Each node is asked once for its position."""
        return cache(partial(ask_roster, sites=sites))

    def prepare(self, fleet: SimulatedFleet, federation: Federation) -> None:
        """No-op: the actors read their windows themselves."""

    def start(self, fleet: SimulatedFleet) -> AbstractContextManager[Carrier]:
        """Flower starts and ends the runtime with the run."""
        return nullcontext(_Ray(fleet, self.cpus_per_site, self.address))


@dataclass(frozen=True)
class _Ray:
    fleet: SimulatedFleet
    cpus_per_site: int
    address: str | None

    def carry_out(self, run: FederatedRun) -> None:
        fleet, life = self.fleet, RuntimeLife()
        roster = cache(partial(ask_roster, sites=fleet.world.sites, wait=life.wait))
        run.federation = replace(run.federation, roster=roster, wait=life.wait)
        app = build_site_app(fleet.world_yaml, fleet.trainer_yaml, fleet.ledger)
        sites = len(fleet.world.sites)
        with life:
            run_on_ray(build_server_app(run), app, sites, self.cpus_per_site, self.address)

    def await_model(self, component: Component) -> None:
        """No site serves a model."""


class RuntimeLife:
    """Ends a server's waiting with the runtime that carries its messages.

    Flower runs the ServerApp in a thread, which would wait on for replies that nobody makes, and
    keep the process from its end.
    """

    def __init__(self) -> None:
        self._ended = threading.Event()

    def wait(self, seconds: float) -> None:
        """Return after ``seconds``.

        Raises:
            RunFailed: the runtime has ended, now or before.
        """
        if self._ended.wait(seconds):
            raise RunFailed("the runtime of Ray has ended")

    def __enter__(self) -> None:
        """The runtime begins."""

    def __exit__(self, *error: object) -> None:
        """It has ended, with its run or by an error."""
        self._ended.set()


def run_on_ray(
    server_app: ServerApp,
    client_app: SiteApp,
    sites: int,
    cpus_per_site: int,
    address: str | None = None,
) -> None:
    """Run both apps with one virtual SuperNode per site, to the end of the ServerApp.

    Raises:
        InvalidConfiguration: there can be no such cluster; see ``cluster``.
        RunFailed: Ray did not start, or ended before the ServerApp did.
    """
    with (
        quiet("flwr", level=logging.CRITICAL),  # it raises what it logs, or sends it as a reply
        _without_telemetry(),
        TemporaryDirectory() as folder,
        environment(FLWR_HOME=folder),
        warnings.catch_warnings(),
        cluster(address, sites, cpus_per_site) as given,
        _told(),
    ):
        warnings.simplefilter("ignore")
        from flwr.simulation import run_simulation

        run_simulation(
            server_app,
            client_app,
            num_supernodes=sites,
            backend_config={
                "client_resources": {"num_cpus": cpus_per_site, "num_gpus": 0.0},
                "init_args": dict(given),
            },
        )


@contextmanager
def _told() -> Iterator[None]:
    """What ended Flower's runtime, which wraps it twice, in one line."""
    try:
        yield
    except RuntimeError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        line = " ".join(str(cause).split())
        raise RunFailed(f"Ray can't carry out the run ({type(cause).__name__}): {line}") from error


@contextmanager
def _without_telemetry() -> Iterator[None]:
    """Disable the telemetry of Flower and Ray for this run, whatever the process has set.

    Flower reads its variable once, on import, which may be long ago; the name that holds the value
    is private to flwr, and checked by a contract test.
    """
    from flwr.supercore import telemetry

    kept = telemetry.FLWR_TELEMETRY_ENABLED
    telemetry.FLWR_TELEMETRY_ENABLED = "0"
    try:
        with environment(RAY_USAGE_STATS_ENABLED="0"):
            yield
    finally:
        telemetry.FLWR_TELEMETRY_ENABLED = kept
