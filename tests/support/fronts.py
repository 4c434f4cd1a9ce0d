"""A server's proxy (nginx) alone, and a proxy of a site's network, which tunnels (CONNECT)."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from fl_common.configuration.addresses import Endpoint
from fl_server.cloud.children import Child, RestartPolicy
from fl_server.cloud.credentials import make_own
from fl_server.cloud.home import CloudHome
from fl_server.cloud.proxy import Proxy
from fl_server.cloud.reach import FIRST_ROOT, why_unreachable
from tests.support.ports import free_port

DAYS = 30.0


@contextmanager
def front(home: CloudHome, host: str = "127.0.0.1") -> Iterator[tuple[Endpoint, Child]]:
    """The proxy of ``home``, which serves a first root; no SuperLink is behind it."""
    make_own(home, ["localhost"], DAYS)
    root = home.components / "metadata" / "1.root.json"
    root.parent.mkdir(parents=True)
    root.write_text("{}")
    proxy = Proxy(
        listen=Endpoint(host, free_port()),
        public=home.public,
        superlink_port=free_port(),
        authority=home.authority.certificate,
        components=home.components,
        work=home.front,
        log=home.logs / "proxy.log",
        largest_message_bytes=1 << 20,
    )
    command = proxy.command()
    policy = RestartPolicy(0.2, 1.0)
    child = Child("proxy", lambda: command, proxy.log, policy, folder=proxy.work)
    child.start()
    try:
        yield proxy.listen, child
    finally:
        child.stop()


def serves(listen: Endpoint, home: CloudHome) -> bool:
    """Whether it serves the root with the certificate of ``home``."""
    return why_unreachable(listen, home.public.certificate, FIRST_ROOT) is None


@dataclass
class Tunnel:
    """A proxy on ``address`` that connects to ``target``, whatever host it is asked for."""

    target: int
    address: str = ""
    asked: list[str] = field(default_factory=list)


@contextmanager
def tunnel(target: int) -> Iterator[Tunnel]:
    """A running tunnel to the port ``target`` of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = Tunnel(target, f"http://127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=_accept, args=(listener, one), daemon=True).start()
        yield one


def _accept(listener: socket.socket, one: Tunnel) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_serve, args=(client, one), daemon=True).start()


def _serve(client: socket.socket, one: Tunnel) -> None:
    with client, contextlib.suppress(OSError):
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        one.asked.append(head.partition(b"\r\n")[0].decode())
        with socket.create_connection(("127.0.0.1", one.target)) as server:
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=_pump, args=(server, client), daemon=True).start()
            _pump(client, server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
        target.shutdown(socket.SHUT_WR)
