"""The server: one process that keeps three running, the SuperLink, the proxy and a run's runner."""

import contextlib
import fcntl
import logging
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration
from fl_common.programs.confinement import private_folder
from fl_common.programs.troubles import Troubles
from fl_server.cloud.build import build_restart_policy, home_of, listen_of
from fl_server.cloud.children import Child
from fl_server.cloud.credentials import check_database, prepare, writable
from fl_server.cloud.desk_server import desk_of, open_desk
from fl_server.cloud.endpoint import PublicEndpoint, ServerSettings, superlink_command
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.home import CloudHome
from fl_server.cloud.renewal import CertificateRenewal, RepositoryRenewal
from fl_server.cloud.runs.keeper import RunKeeper
from fl_server.cloud.runs.queue import RunQueue
from fl_server.cloud.sites import Sites
from fl_server.cloud.upkeep import ConfigurationFile, Upkeep
from fl_server.repository.build import now, open_repository
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.upkeep import check_metadata

_logger = logging.getLogger(__name__)
_TICK_S = 0.5
_LOOK_S = 60.0
_TRIES, _TRY_S = 10, 0.1


def become_superlink(config: Config) -> None:
    """Replace this program by the SuperLink that ``fl-server start superlink=join`` joins.

    Raises:
        InvalidConfiguration: the folder can't be written.
    """
    home = home_of(config)
    prepare(config, home)
    command = superlink_command(home, config["superlink_port"])
    environment = {**os.environ, "FLWR_HOME": str(home.work / "flower")}
    os.execve(command[0], command, environment)


def serve(configuration: ConfigurationFile, arguments: Sequence[str]) -> None:
    """Run ``fl-server start`` until SIGTERM or SIGINT; ``arguments`` are those of the command.

    Raises:
        InvalidConfiguration: an invalid value.
        StartRefused: a value that the run's process can't use.
        UpdateRefused: the repository that is served is damaged.
        RunFailed: the SuperLink or the proxy does not come up.
    """
    config, stop = configuration.current, threading.Event()
    home = home_of(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _sole(home):
        settings = server_settings(config, home)
        with writable(home):
            repository = open_repository(None, config["publish"]["keys"], home.components)
        check_metadata(repository)
        check_database(home.database)
        run = config["run"]
        with PublicEndpoint(settings, stop) as endpoint:
            if not stop.is_set():
                upkeep = _upkeep(configuration, endpoint, repository)
                with open_desk(home.front, upkeep.desk):
                    run = _run(config, endpoint, upkeep, arguments, stop)
        home.write_status({**_status(config, run, endpoint.children), "running": False})


def _run(
    config: Config,
    endpoint: PublicEndpoint,
    upkeep: Upkeep,
    arguments: Sequence[str],
    stop: threading.Event,
) -> str | None:
    """Everything after the start, until ``stop``; the run that was carried out last."""
    upkeep.enrolment.reconcile()
    upkeep.look()
    queue = RunQueue(upkeep.home.runs, time.time)
    keeper = RunKeeper(queue, endpoint, arguments, config["run"], upkeep.troubles)
    keeper.tick()
    _logger.info("ready: sites reach %s", config["listen"])
    looked = time.monotonic()
    while not stop.wait(_TICK_S):
        if time.monotonic() - looked > _LOOK_S:
            upkeep.look()
            looked = time.monotonic()
        upkeep.watch(keeper.current)
        status = _status(config, keeper.current, endpoint.children)
        upkeep.home.write_status({**status, "wrong": list(map(str, upkeep.troubles.current()))})
        keeper.tick()
    return keeper.current


def _upkeep(
    configuration: ConfigurationFile, endpoint: PublicEndpoint, repository: ComponentRepository
) -> Upkeep:
    settings, troubles = endpoint.settings, Troubles()
    home = settings.home
    enrolment = Enrolment(Sites(home.sites), endpoint.superlink, home.folder)
    return Upkeep(
        home,
        configuration,
        CertificateRenewal(home, settings.public, endpoint.reload, troubles, time.time),
        RepositoryRenewal(repository, troubles, now),
        enrolment,
        desk_of(configuration.current, home, enrolment),
        endpoint.children,
        troubles,
    )


@contextlib.contextmanager
def _sole(home: CloudHome) -> Iterator[None]:
    """A lock on the folder.

    Raises:
        InvalidConfiguration: another server has it, or the folder can't be written.
    """
    private_folder(home.folder, "home")
    with writable(home):
        lock = home.lock.open("a")
    with lock:
        if not _taken(lock):
            raise InvalidConfiguration(
                f"home={home.folder}",
                "is in use: another server runs there",
                "Stop it, or name another folder",
            )
        yield


def _taken(lock: IO[str]) -> bool:
    """Whether this process holds ``lock`` now; who only looks whether it is held has it briefly."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            time.sleep(_TRY_S)
    return False


def server_settings(config: Config, home: CloudHome) -> ServerSettings:
    """What the endpoint needs; makes what is the server's own.

    Raises:
        InvalidConfiguration: an invalid value.
    """
    return ServerSettings(
        home=home,
        listen=listen_of(config),
        superlink_port=config["superlink_port"],
        public=prepare(config, home),
        largest_message_bytes=config["largest_message_bytes"],
        restart_policy=build_restart_policy(config),
        components=home.components,
        joins=config["superlink"] == "join",
    )


def _status(config: Config, run: str | None, children: Sequence[Child]) -> dict[str, object]:
    return {
        "running": True,
        "pid": os.getpid(),
        "wrong": [],
        "listen": config["listen"],
        "superlink_port": config["superlink_port"],
        "run": run,
        "children": {c.name: {"pid": c.pid, "starts": c.starts, "done": c.done} for c in children},
    }
