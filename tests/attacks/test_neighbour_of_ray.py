"""Another user of the machine, or another machine, at the Ray cluster of a run.

Ray runs what it is sent, as its user, and listens on all interfaces. A stranger has no token: every
call of every service of Ray's own must be refused at every port that a run opens.
"""

import http.client
import importlib
import pkgutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
import ray.core.generated

from tests.support.nodes import wait_for
from tests.support.ports import free_port
from tests.support.traced import Traced, trace, tracing

pytestmark = [pytest.mark.timeout(600), pytest.mark.long]
RUN = (sys.executable, "-m", "simulate", "net=logistic", "sites=2", "engine=ray")
STRANGER = """
import sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)
print("ran", ray.get(ray.remote(lambda: 1).remote()))
"""
REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)
NOT_GRPC = grpc.StatusCode.UNAVAILABLE
CALL_S = 60.0


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A folder with a short name: Ray's sockets lie in it."""
    with tempfile.TemporaryDirectory(prefix="x") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def running(place: Path) -> Iterator[Traced]:
    """A long run on Ray; the environment names a cluster of somebody else's, which is dead."""
    dead = {"RAY_ADDRESS": f"127.0.0.1:{free_port()}"}
    with tracing([*RUN, "rounds=100000", "privacy=none"], place, dead) as run:
        wait_for(lambda: " 1/100000 " in run.said() or run.process.poll() is not None, "a round")
        assert run.process.poll() is None, run.said()
        yield run


def listeners(process: psutil.Process) -> dict[int, str]:
    """Ports on which a process tree listens, and the address of each."""
    family = [process, *process.children(recursive=True)]
    sockets = [found for one in family for found in one.net_connections("inet")]
    return {s.laddr.port: s.laddr.ip for s in sockets if s.status == psutil.CONN_LISTEN}


def methods() -> list[str]:
    """Every call of every service of Ray's; one service has no module of its own."""
    names = [found.name for found in pkgutil.iter_modules(ray.core.generated.__path__)]
    modules = [
        importlib.import_module(f"ray.core.generated.{name}")
        for name in names
        if name.endswith("_pb2")
    ]
    return [
        f"/{service.full_name}/{method.name}"
        for module in modules
        for service in module.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ] + [f"/ray.rpc.ObjectManagerService/{name}" for name in ("Push", "Pull", "FreeObjects")]


def answer(channel: grpc.Channel, method: str) -> grpc.StatusCode:
    """How ``method`` ends for a caller without a token."""
    try:
        channel.unary_unary(method)(b"", timeout=CALL_S)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def http_status(host: str, port: int) -> int:
    connection = http.client.HTTPConnection(host, port, timeout=CALL_S)
    connection.request("GET", "/")
    return connection.getresponse().status


def test_no_port_of_a_run_answers_without_the_token(running: Traced) -> None:
    guarded = 0
    found, calls = listeners(psutil.Process(running.process.pid)), methods()
    assert len(found) >= 4
    assert len(calls) > 100
    for port, address in found.items():
        host = "127.0.0.1" if address in ("::", "0.0.0.0") else address
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            codes = {method: answer(channel, method) for method in calls[:1]}
            if NOT_GRPC in codes.values():
                assert http_status(host, port) == 401
                continue
            codes |= {method: answer(channel, method) for method in calls[1:]}
        assert {m: code for m, code in codes.items() if code not in REFUSED} == {}, port
        guarded += grpc.StatusCode.UNAUTHENTICATED in codes.values()
    assert guarded >= 4


def test_a_stranger_runs_no_code_in_the_cluster(running: Traced, place: Path) -> None:
    (said,) = {path.read_text() for path in place.rglob("gcs_server_port_*")}
    for options in ({}, {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0" * 64}):
        ended = trace([sys.executable, "-c", STRANGER, f"127.0.0.1:{said}"], place / "s", options)
        assert ended.status != 0
        assert "ran" not in ended.said
        assert "InvalidAuthToken" in ended.said


def test_its_workers_get_the_run_s_own_share_of_a_busy_machine(running: Traced) -> None:
    family = psutil.Process(running.process.pid).children(recursive=True)
    workers = [one for one in family if "ClientAppActor" in " ".join(one.cmdline())]
    assert 1 <= len(workers) <= 2, [one.cmdline() for one in family]  # RUN has two sites
    assert {one.nice() for one in family} == {psutil.Process(running.process.pid).nice()}


def test_the_token_and_the_files_are_the_user_s_alone(running: Traced, place: Path) -> None:
    (folder,) = (place / "temporary").glob("ray-*")
    assert folder.stat().st_mode & 0o077 == 0
    process = psutil.Process(running.process.pid)
    environments = [one.environ() for one in process.children(recursive=True)]
    (token,) = {e["RAY_AUTH_TOKEN"] for e in environments if "RAY_AUTH_TOKEN" in e}
    commands = [" ".join(one.cmdline()) for one in process.children(recursive=True)]
    assert not any(token in command for command in commands)
    files = [path for path in place.rglob("*") if path.is_file() and path.name != "trace.log"]
    assert not any(token.encode() in path.read_bytes() for path in files)


def test_it_ends_at_sigterm_and_spoke_to_its_own_machine_alone(
    running: Traced, place: Path
) -> None:
    running.stop()
    ended = running.ended()
    assert ended.status != 0
    assert ended.left() == set()
    assert ended.strayed(place) == set()
    assert [*(place / "person").rglob("*")] == []
    assert [*(place / "temporary").glob("ray-*")] == []


def test_a_named_cluster_that_is_dead_ends_the_run_with_one_line(place: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    ended = trace([*RUN, "rounds=1", f"engine.address={address}"], place / "dead")
    assert ended.status == 2
    (line,) = [line for line in ended.said.splitlines() if "error" in line]
    assert line.startswith(f"error: engine.address={address}: does not answer")


def test_a_process_that_imported_ray_without_a_token_is_refused(place: Path) -> None:
    program = (
        "import ray, simulate.engines.ray_cluster as module\n"
        "with module.cluster(None, 1, 1): print('began')"
    )
    ended = trace([sys.executable, "-c", program], place / "imported")
    assert "began" not in ended.said
    assert "Set RAY_AUTH_MODE=token before Ray is imported" in ended.said
