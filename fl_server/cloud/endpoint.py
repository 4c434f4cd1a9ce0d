"""What sites reach: a SuperLink on the loopback interface and the proxy before it, kept running."""

import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from fl_common.configuration.addresses import Endpoint
from fl_common.errors import RunFailed
from fl_server.cloud.certificates import Pair
from fl_server.cloud.children import Child, RestartPolicy
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.cloud.proxy import Proxy
from fl_server.cloud.reach import why_unreachable
from fl_server.cloud.superlink import SuperLink

_TICK_S = 0.5
_FIRST_ANSWER_S = 180.0
_PROXY_S = 30.0


@dataclass(frozen=True)
class ServerSettings:
    """Settings of a public endpoint; ``public`` is the certificate that sites see."""

    home: CloudHome
    listen: Endpoint
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
        RunFailed: the SuperLink or the proxy does not answer in time.
    """

    def __init__(self, settings: ServerSettings, stop: threading.Event) -> None:
        self.settings, self._stop = settings, stop
        self.children: list[Child] = []
        self.superlink = SuperLink(
            settings.superlink_port, settings.home.authority.certificate, settings.home.secret
        )

    def __enter__(self) -> Self:
        try:
            settings = self.settings
            if not settings.joins:
                command = superlink_command(settings.home, settings.superlink_port)
                self.keep("superlink", command)
            proxy = self._proxy()
            self._front = self.keep("proxy", proxy.command(), folder=proxy.work)
            self._await_superlink()
            self._await_proxy()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def keep(
        self, name: str, command: Sequence[str], *, once: bool = False, folder: Path | None = None
    ) -> Child:
        """Keep one more process running while the endpoint is open; its log has its name."""
        home = self.settings.home
        environment = {"FLWR_HOME": str(home.work / "flower")}
        log = home.logs / f"{name}.log"
        policy = self.settings.restart_policy
        child = Child(name, lambda: command, log, policy, once, environment, folder)
        self.children.append(child)
        child.start()
        return child

    def drop(self, name: str) -> None:
        """End the process of this name, if there is one, and keep it no more."""
        for child in [one for one in self.children if one.name == name]:
            child.stop()
            self.children.remove(child)

    def reload(self) -> None:
        """Let the proxy take a new certificate; connections go on."""
        self._front.reload()

    def _end(self) -> None:
        for child in reversed(self.children):
            child.stop()

    def _proxy(self) -> Proxy:
        settings, home = self.settings, self.settings.home
        return Proxy(
            listen=settings.listen,
            public=settings.public,
            superlink_port=settings.superlink_port,
            authority=home.authority.certificate,
            components=settings.components,
            work=home.front,
            log=home.logs / "proxy.log",
            largest_message_bytes=settings.largest_message_bytes,
        )

    def _await_superlink(self) -> None:
        began = time.monotonic()
        while not self.superlink.healthy():
            if self._stop.wait(_TICK_S):
                return
            if time.monotonic() - began > _FIRST_ANSWER_S:
                raise RunFailed(
                    "the SuperLink does not answer. Start it with: fl-server superlink"
                    if self.settings.joins
                    else f"the SuperLink does not answer; see {self.children[0].log}, which ends:"
                    f" {self.children[0].last_line()}"
                )

    def _await_proxy(self) -> None:
        settings, began = self.settings, time.monotonic()
        while why := why_unreachable(settings.listen, settings.public.certificate):
            if self._stop.wait(_TICK_S):
                return
            if time.monotonic() - began > _PROXY_S:
                raise RunFailed(f"{why}. The proxy's log ends: {self._front.last_line()}")


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
