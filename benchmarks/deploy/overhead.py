"""Overhead of a round outside training, compared with stock Flower.

Three sites behind one SuperLink with TLS and node authentication, in one run after the other:
stock Flower (a process for each message), and this project's link with its resident trainer. Both
answer the same message with the same app, which imports torch and Opacus and returns what it got.
"""

import os
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from flwr.app import Array, ArrayRecord, Message, RecordDict
from flwr.serverapp import Grid

from fl_client.configuration import read_config
from fl_client.federation.build import build_link
from fl_client.federation.responder import identify
from fl_client.federation.trainer import MessageHandler
from fl_common.configuration.addresses import Endpoint
from fl_common.files.keys import make_key
from fl_server.cloud.children import RestartPolicy
from fl_server.cloud.credentials import make_own
from fl_server.cloud.endpoint import PublicEndpoint, ServerSettings
from fl_server.cloud.home import LOOPBACK, CloudHome
from fl_server.cloud.superlink import BUNDLE

SITES = 3
PATIENCE_S = 180.0
_WARM_UP = 1
_IMPORTS = "imports.txt"
_APP = b"""\
import opacus
import torch
from flwr.app import Message
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(message, context):
    return Message(message.content, reply_to=message)
"""
_PROJECT = BUNDLE["pyproject.toml"].replace(b"installed:app", b"bench_app:app")
STOCK = {"pyproject.toml": _PROJECT, "bench_app.py": _APP}


def until(holds: Callable[[], Any]) -> Any:
    """Wait until ``holds`` returns a true value, and return it."""
    deadline = time.monotonic() + PATIENCE_S
    while not (value := holds()):
        if time.monotonic() > deadline:
            raise TimeoutError("what is measured did not happen")
        time.sleep(0.05)
    return value


def echo(imports: Path) -> MessageHandler:
    """The same app in a resident trainer, which records in ``imports`` that it imported torch."""
    import opacus  # noqa: F401
    import torch  # noqa: F401

    with imports.open("a") as file:
        file.write(f"{os.getpid()}\n")

    def answer(message: Message, without_data: bool) -> Message:
        identify(message)
        return Message(message.content, reply_to=message)

    return answer


def overhead(grid: Grid, rounds: int) -> list[float]:
    """Seconds of each round after the warm-up; the app itself takes none."""
    nodes = until(lambda: len(found := list(grid.get_node_ids())) == SITES and found)
    arrays = {"values": Array(np.zeros(8000, np.float32))}
    seconds = []
    for round_ in range(rounds + _WARM_UP):
        began = time.monotonic()
        content = [RecordDict({"arrays": ArrayRecord(dict(arrays))}) for _ in nodes]
        pairs = zip(content, nodes, strict=True)
        missing = set(
            grid.push_messages([Message(c, n, "train", group_id=str(round_)) for c, n in pairs])
        )
        while missing:
            for reply in grid.pull_messages(list(missing)):
                if reply.has_error():
                    raise RuntimeError(reply.error.reason)
                missing.discard(reply.metadata.reply_to_message_id)
            if missing:
                time.sleep(0.1)
            if time.monotonic() - began > PATIENCE_S:
                raise TimeoutError(f"{len(missing)} of {SITES} sites do not answer")
        seconds.append(time.monotonic() - began)
    return seconds[_WARM_UP:]


@contextmanager
def resident(endpoint: PublicEndpoint, home: CloudHome, port: int) -> Iterator[None]:
    """Three links of this project, each with its trainer, at the pace of an edge box as shipped."""
    stop, shipped = threading.Event(), read_config(None, [])["federation"]
    threads = []
    for index in range(SITES):
        folder = home.folder / f"resident-{index}"
        folder.mkdir()
        key = folder / "site.key"
        endpoint.superlink.enroll(make_key(key))
        own = {"ca_file": home.authority.certificate, "key_file": key}
        node = {**shipped, "server": f"localhost:{port}", **own}
        link = build_link(node, partial(echo, home.folder / _IMPORTS), stop, folder)
        threads.append(threading.Thread(target=link.run))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@contextmanager
def stock(endpoint: PublicEndpoint, home: CloudHome, port: int) -> Iterator[None]:
    """Three of Flower's SuperNodes, which reach the SuperLink itself: they want its bundles."""
    for index in range(SITES):
        key = home.folder / f"stock-{index}.key"
        endpoint.superlink.enroll(make_key(key))
        private = load_pem_private_key(key.read_bytes(), None)
        key.write_bytes(  # the form that Flower's own program reads
            private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        )
        endpoint.keep(f"supernode-{index}", _supernode(home, key, port))
    yield


def _supernode(home: CloudHome, key: Path, port: int) -> Sequence[str]:
    return [
        str(Path(sys.executable).with_name("flower-supernode")),
        *("--superlink", f"localhost:{port}", "--auth-supernode-private-key", str(key)),
        *("--root-certificates", str(home.authority.certificate)),
        *("--host", LOOPBACK[1], "--port", str(free_port())),
    ]


def measure(kind: str, rounds: int) -> tuple[list[float], int]:
    """Seconds of each round of one kind of site, on a separate deployment; imports of torch."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        home = CloudHome(Path(folder))
        make_own(home, LOOPBACK, 1.0)
        listen, superlink = free_port(), free_port()
        settings = ServerSettings(
            home=home,
            listen=Endpoint(LOOPBACK[1], listen),
            superlink_port=superlink,
            public=home.public,
            largest_message_bytes=1 << 30,
            restart_policy=RestartPolicy(1.0, 10.0),
            components=home.components,
        )
        endpoint = stack.enter_context(PublicEndpoint(settings, threading.Event()))
        sites = (
            resident(endpoint, home, listen)
            if kind == "resident"
            else stock(endpoint, home, superlink)
        )
        stack.enter_context(sites)
        bundle = BUNDLE if kind == "resident" else STOCK
        grid = stack.enter_context(endpoint.superlink.run(bundle=bundle))
        seconds = overhead(grid, rounds)
        imports = home.folder / _IMPORTS
        return seconds, len(imports.read_text().split()) if imports.is_file() else 0


def free_port() -> int:
    """A free port of the loopback interface."""
    with socket.socket() as one:
        one.bind((LOOPBACK[1], 0))
        return int(one.getsockname()[1])


def measure_overhead(rounds: int) -> dict[str, Any]:
    """Median seconds of a round of either kind, and how many processes have imported torch."""
    programs = str(Path(sys.executable).parent)  # Flower looks for its own on the path
    os.environ["PATH"] = f"{programs}:{os.environ.get('PATH', os.defpath)}"
    ours, imports = measure("resident", rounds)
    theirs, _ = measure("stock", rounds)
    return {
        "sites": SITES,
        "rounds": rounds,
        "ours_s": statistics.median(ours),
        "stock_s": statistics.median(theirs),
        "imports_of_torch": imports,
    }
