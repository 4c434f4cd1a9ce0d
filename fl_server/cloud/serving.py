"""The server: one process that keeps three running, the SuperLink, the proxy and a run's runner."""

import contextlib
import fcntl
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.files.whole import OWNER_ONLY, write_whole
from fl_common.programs.confinement import private_folder
from fl_common.programs.own import own_program
from fl_server.cloud.build import build_restart_policy, check_addresses, home_of
from fl_server.cloud.certificates import Pair, make_authority, make_server
from fl_server.cloud.children import Child, RestartPolicy, check_refusals
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.cloud.proxy import Proxy
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import SuperLink

_logger = logging.getLogger(__name__)
_TICK_S = 0.5
_LOCK = "server.lock"
_MAKING = "making.lock"
_FIRST_ANSWER_S = 180.0


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a public endpoint; ``public`` is the certificate that sites see."""

    home: CloudHome
    listen: str
    superlink_port: int
    public: Pair
    largest_message_bytes: int
    restart_policy: RestartPolicy
    components: Path
    """The repository that is served."""
    joins: bool = False
    """Whether another service runs the SuperLink."""


class PublicEndpoint:
    """A SuperLink on the loopback interface, and the proxy that sites reach; both kept running.

    If it joins a SuperLink, another service keeps that one running.

    Raises (on entry):
        RunFailed: the SuperLink does not answer in time.
    """

    def __init__(self, settings: ServerSettings, stop: threading.Event) -> None:
        self._settings, self._stop = settings, stop
        self.children: list[Child] = []
        self.superlink = SuperLink(
            settings.superlink_port, settings.home.authority.certificate, settings.home.secret
        )

    def __enter__(self) -> Self:
        try:
            settings = self._settings
            if not settings.joins:
                command = superlink_command(settings.home, settings.superlink_port)
                self.keep("superlink", command)
            self.keep("proxy", self._proxy().command())
            self._await_superlink()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def keep(self, name: str, command: Sequence[str], *, once: bool = False) -> Child:
        """Keep one more process running while the endpoint is open; its log has its name."""
        home = self._settings.home
        environment = {"FLWR_HOME": str(home.work / "flower")}
        log = home.logs / f"{name}.log"
        child = Child(name, lambda: command, log, self._settings.restart_policy, once, environment)
        self.children.append(child)
        child.start()
        return child

    def _end(self) -> None:
        for child in reversed(self.children):
            child.stop()

    def _proxy(self) -> Proxy:
        settings, home = self._settings, self._settings.home
        return Proxy(
            listen=settings.listen,
            public=settings.public,
            superlink_port=settings.superlink_port,
            authority=home.authority.certificate,
            components=settings.components,
            work=home.work / "proxy",
            log=home.logs / "proxy.log",
            largest_message_bytes=settings.largest_message_bytes,
        )

    def _await_superlink(self) -> None:
        began = time.monotonic()
        while not self.superlink.healthy():
            if self._stop.wait(_TICK_S):
                return
            if time.monotonic() - began > _FIRST_ANSWER_S:
                logs = self._settings.home.logs
                raise RunFailed(
                    "the SuperLink does not answer. Start it with: fl-server superlink"
                    if self._settings.joins
                    else f"the SuperLink does not answer; see {logs}/superlink.log"
                )


def superlink_command(home: CloudHome, port: int) -> list[str]:
    """Flower's program for the SuperLink of ``home``, and its arguments."""
    return [
        str(Path(sys.executable).with_name("flower-superlink")),
        *("--host", LOOPBACK[1], "--port", str(port)),
        *("--ssl-ca-certfile", str(home.authority.certificate)),
        *("--ssl-certfile", str(home.inner.certificate)),
        *("--ssl-keyfile", str(home.inner.key)),
        *("--database", str(home.database), "--enable-supernode-auth"),
        *("--isolation", "process", "--superexec-auth-secret-file", str(home.secret)),
        "--disable-runtime-dependency-installation",
    ]


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


def serve(config: Config, arguments: Sequence[str]) -> None:
    """Run ``fl-server start`` until SIGTERM or SIGINT; ``arguments`` are those of the command.

    Raises:
        InvalidConfiguration: an invalid value.
        StartRefused: a value that the run's process can't use.
        RunFailed: the SuperLink does not come up.
    """
    home, stop = home_of(config), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _sole(home):
        with PublicEndpoint(_settings(config, home), stop) as endpoint:
            if not stop.is_set():
                Enrolment(Sites(home.sites), endpoint.superlink, home.folder).reconcile()
            if config["run"] is not None and not stop.is_set():
                runner = own_program("fl_server", "carry-out", *arguments)
                endpoint.keep("runner", runner, once=True)
            _logger.info("ready: sites reach %s", config["listen"])
            while not stop.wait(_TICK_S):
                home.write_status(_status(config, endpoint.children))
                check_refusals(endpoint.children)
        home.write_status({**_status(config, endpoint.children), "running": False})


def _settings(config: Config, home: CloudHome) -> ServerSettings:
    if config["superlink"] not in ("start", "join"):
        raise InvalidConfiguration(
            f"superlink={config['superlink']}", "must be start or join", "Set it to one of them"
        )
    check_addresses(config)
    return ServerSettings(
        home=home,
        listen=config["listen"],
        superlink_port=config["superlink_port"],
        public=prepare(config, home),
        largest_message_bytes=config["largest_message_bytes"],
        restart_policy=build_restart_policy(config),
        components=home.components,
        joins=config["superlink"] == "join",
    )


@contextlib.contextmanager
def _sole(home: CloudHome) -> Iterator[None]:
    """A lock on the folder.

    Raises:
        InvalidConfiguration: another server has it, or the folder can't be written.
    """
    private_folder(home.folder, "home")
    with _writable(home):
        lock = (home.folder / _LOCK).open("a")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InvalidConfiguration(
                f"home={home.folder}",
                "is in use: another server runs there",
                "Stop it, or name another folder",
            ) from error
        yield


def _status(config: Config, children: Sequence[Child]) -> dict[str, object]:
    return {
        "running": True,
        "pid": os.getpid(),
        "listen": config["listen"],
        "superlink_port": config["superlink_port"],
        "run": config["run"],
        "children": {c.name: {"pid": c.pid, "starts": c.starts, "done": c.done} for c in children},
    }


def prepare(config: Config, home: CloudHome) -> Pair:
    """Create missing folders, certificates and the secret; returns the certificate that sites see.

    Raises:
        InvalidConfiguration: only half of a pair was given, or the folder can't be written.
    """
    given, days = (config["certificate"], config["key"]), config["certificate_days"]
    make_own(home, config["hosts"] if given == (None, None) else (), days)
    if given == (None, None):
        return home.public
    pair = Pair(*(Path(part or "").absolute() for part in given))
    if None in given or not pair.there():
        raise InvalidConfiguration(
            f"certificate={given[0]}, key={given[1]}",
            "must be two existing files",
            "Give both, or neither to have them made",
        )
    return pair


def make_own(home: CloudHome, hosts: Sequence[str], days: float) -> None:
    """Create the authority, certificates (a public one for ``hosts``) and secret, if missing.

    A server and the SuperLink that it joins may start together: one makes them, the other waits.

    Raises:
        InvalidConfiguration: the folder can't be written.
    """
    private_folder(home.folder, "home")
    with _writable(home):
        lock = (home.folder / _MAKING).open("a")
    with lock, _writable(home):
        fcntl.flock(lock, fcntl.LOCK_EX)
        home.authority.certificate.parent.mkdir(parents=True, exist_ok=True)
        if not home.authority.there():
            make_authority(home.authority, "Join the Dots authority", days * 10, time.time)
        if not home.inner.there():
            make_server(home.inner, home.authority, LOOPBACK, days * 10, time.time)
        if hosts and not home.public.there():
            make_server(home.public, home.authority, hosts, days, time.time)
        if not home.secret.is_file():
            write_whole(home.secret, secrets.token_bytes(32), OWNER_ONLY)


@contextlib.contextmanager
def _writable(home: CloudHome) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidConfiguration(
            f"home={home.folder}", f"can't be written ({error.strerror})", "Choose another folder"
        ) from error
