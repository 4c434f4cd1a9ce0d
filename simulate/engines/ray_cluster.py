"""The Ray cluster of one run: this process' own, or the one that the configuration names.

Ray runs what it is sent, and listens on every interface of the machine. So a cluster of our own
answers to a token alone (``RAY_AUTH_MODE=token``), which this process makes and its children
inherit; each port of it refuses calls without (``tests/attacks/test_neighbour_of_ray.py``). Its
files lie in a folder that only its user may enter. Without a configured address no other cluster
is joined, whatever the environment or Ray's own files name.
"""

import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fl_common.configuration.addresses import endpoint
from fl_common.errors import InvalidConfiguration
from simulate.engines.process import environment

InitArguments = Mapping[str, Any]
"""Arguments of ``ray.init``."""
_QUIET = {"include_dashboard": False, "log_to_driver": False}
_AS_OTHER_PROCESSES = {"RAY_worker_niceness": "0"}
"""By default Ray gives its workers the least share of a machine's processors, a 30th of that of any
other process: where those are busy, a run stands still."""
_ANSWER_S = 5.0


@contextmanager
def cluster(address: str | None, sites: int, cpus_per_site: int) -> Iterator[InitArguments]:
    """What ``ray.init`` needs for a cluster of this process, or for that at ``address``.

    One of this process has no more processors than ``sites`` use at once, since Flower begins a
    worker for every ``cpus_per_site`` of them.

    Raises:
        InvalidConfiguration: nothing listens at ``address``; or this process can't have a cluster
            that only it may use, since it imported or began Ray before.
    """
    if address is not None:
        _check_answers(address)
        yield {**_QUIET, "address": address}
        return
    token = environment(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=_token(), RAY_AUTH_TOKEN_PATH=None)
    with token, environment(**_AS_OTHER_PROCESSES):
        _check_guarded()
        with _private_folder() as folder, _without_watchers():
            cpus = min(_processors(), sites * cpus_per_site)
            yield {**_QUIET, "address": "local", "_temp_dir": str(folder), "num_cpus": cpus}


def check_address(address: object) -> None:
    """Raise unless ``address`` is None or ``host:port``.

    Raises:
        InvalidConfiguration: it is neither.
    """
    if address is None:
        return
    try:
        endpoint("engine.address", str(address))
    except InvalidConfiguration as error:
        raise InvalidConfiguration(
            error.value,
            "must be host:port of a Ray cluster, or null",
            "Set it to the cluster's own address, or leave it out for a cluster of the run's own",
        ) from error


def check_processors(cpus_per_site: int) -> None:
    """Raise if no worker has room on this machine.

    Raises:
        InvalidConfiguration: ``cpus_per_site`` is more than the machine's processors.
    """
    if cpus_per_site > (there := os.cpu_count() or 1):
        raise InvalidConfiguration(
            f"engine.cpus_per_site={cpus_per_site}",
            f"must be at most {there}, the processors of this machine",
            "Set it to 1, or name a cluster of larger machines in engine.address",
        )


def _processors() -> int:
    """Those that Ray would take: within a container's limit. A private name of Ray."""
    from ray._private.utils import get_num_cpus

    return int(get_num_cpus())


@cache
def _token() -> str:
    """One a process: Ray reads it once."""
    return secrets.token_hex(32)


def _check_answers(address: str) -> None:
    """Without this Ray waits for minutes for a cluster that has ended."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), _ANSWER_S).close()
    except OSError as error:
        raise InvalidConfiguration(
            f"engine.address={address}",
            f"does not answer ({error.strerror or error})",
            "Start that cluster, or leave the address out for a cluster of the run's own",
        ) from error


def _check_guarded() -> None:
    """Ray reads the mode when it is imported, and keeps one cluster a process."""
    import ray
    import ray._raylet as core

    if ray.is_initialized():
        raise InvalidConfiguration(
            "engine=ray",
            "has no cluster of its own: this process has joined one",
            "Call ray.shutdown() before, or name the cluster in engine.address",
        )
    if core.get_authentication_mode() != core.AuthenticationMode.TOKEN:  # type: ignore[attr-defined]
        raise InvalidConfiguration(
            "engine=ray",
            "can't shut out other users: this process imported Ray before, without a token",
            "Set RAY_AUTH_MODE=token before Ray is imported",
        )


@contextmanager
def _private_folder() -> Iterator[Path]:
    """A folder for Ray's files; Ray opens its own to everybody, so it lies in a closed one.

    Its name is short, as are those of sockets; the folder for temporary files of macOS has a long
    one.
    """
    place = Path(os.sep, "tmp") if sys.platform == "darwin" else None
    with tempfile.TemporaryDirectory(
        prefix="ray-", dir=place, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder, "r")


@contextmanager
def _without_watchers() -> Iterator[None]:
    """Ray without its dashboard and its autoscaler, which one machine has no use for.

    Even where both are disabled, and usage statistics too, the dashboard's process asks the network
    for the machine's cloud, and the autoscaler's serves metrics to everybody. The names are private
    to Ray, and checked by the test that watches a run's connections.
    """
    from ray._private.node import Node

    none: dict[str, Callable[..., None]] = {
        "start_api_server": lambda node, **_: setattr(node, "_webui_url", ""),
        "start_monitor": lambda node: None,
    }
    kept = {name: getattr(Node, name) for name in none}
    for name, method in none.items():
        setattr(Node, name, method)
    try:
        yield
    finally:
        for name, method in kept.items():
            setattr(Node, name, method)
