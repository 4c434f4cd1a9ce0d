"""A client for Flower's SuperLink: nodes, runs, and a grid for a run.

A run's ServerApp is this program itself, not code that Flower unpacks from a bundle. The bundle
that Flower requires for a run holds a name and no code. The resulting task is claimed by the
process that has the run's configuration, with the secret that Flower made for executors.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from flwr.cli.build import build_fab_from_files
from flwr.common.constant import HEARTBEAT_PATIENCE, Status, SubStatus
from flwr.common.serde import fab_to_proto, run_from_proto
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListRunsRequest,
    RegisterNodeRequest,
    StartRunRequest,
    StopRunRequest,
    UnregisterNodeRequest,
)
from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest
from flwr.serverapp import Grid
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.error import FlowerError
from flwr.supercore.fab import Fab
from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity

from fl_common.configuration.rules import Config
from fl_common.errors import RunFailed
from fl_server.cloud.grid import WitnessedGrid
from fl_server.cloud.home import CloudHome
from fl_server.cloud.witness import LedgerWitness

_logger = logging.getLogger(__name__)
_ACQUIRE = "/flwr.proto.Runtime/AcquireTask"
_PROJECT = """\
[project]
name = "join-the-dots"
version = "1.0.0"
description = "No code: the server and the sites run what is installed on them"
[tool.flwr.app]
publisher = "join-the-dots"
[tool.flwr.app.components]
serverapp = "installed:app"
clientapp = "installed:app"
"""

BUNDLE = {"pyproject.toml": _PROJECT.encode()}
"""The files of a run's bundle: a name and no code."""


@dataclass(frozen=True)
class SuperNode:
    """A site as known to the SuperLink; ``status`` is Flower's (online, offline)."""

    id: int
    public_key: bytes
    status: str
    last_seen: float | None = None
    """Unix seconds, exact to twice its heartbeat; None for a node that was never there."""


class SuperLink:
    """The SuperLink on this host at ``port``, verified by the authority of its certificate.

    Raises (all methods):
        RunFailed: it does not respond, or refuses.
    """

    def __init__(self, port: int, authority: Path, secret: Path) -> None:
        self._address = f"localhost:{port}"
        self._authority, self._secret = authority.read_bytes(), secret

    def healthy(self) -> bool:
        """True if it responds."""
        try:
            verify = httpx.create_ssl_context()
            verify.load_verify_locations(cadata=self._authority.decode())
            return httpx.get(f"https://{self._address}/health", verify=verify).is_success
        except httpx.HTTPError:
            return False

    def enroll(self, public_key: bytes) -> int:
        """Register the holder of this key; returns its node id."""
        with self._control() as control:
            return int(control.RegisterNode(RegisterNodeRequest(public_key=public_key)).node_id)

    def revoke(self, public_key: bytes) -> bool:
        """Exclude that node at once; False if it was not registered."""
        found = [node for node in self.nodes() if node.public_key == public_key]
        with self._control() as control:
            for node in found:
                control.UnregisterNode(UnregisterNodeRequest(node_id=node.id))
        return bool(found)

    def nodes(self) -> list[SuperNode]:
        """All registered nodes."""
        with self._control() as control:
            listed = control.ListNodes(ListNodesRequest()).nodes_info
        return [
            SuperNode(int(n.node_id), bytes(n.public_key), n.status, _last_seen(n))
            for n in listed
            if n.status != "unregistered"
        ]

    @contextmanager
    def run(
        self, heads: Path | None = None, bundle: Mapping[str, bytes] = BUNDLE
    ) -> Iterator[Grid]:
        """The grid of a new run; runs left by a previous server are ended first.

        The heads of the sites' ledgers are remembered in the file ``heads``; None: nowhere.
        ``bundle`` are the files that Flower keeps with it. Our sites never request them.
        """
        run = self._start(bundle)
        token = self._acquire(run)
        grid = WitnessedGrid(self._address, False, self._authority, token=token)
        grid.witness = LedgerWitness(heads) if heads else None
        beat = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
        beat.start()
        ended = SubStatus.FAILED
        try:
            given = grid._runtime_client.PullTaskInput(PullTaskInputRequest())
            TaskIdentity.task_id, TaskIdentity.run_id = given.task_id, given.run.run_id
            TaskIdentity.node_id = given.context.node_id
            grid.set_run(run_from_proto(given.run))
            yield grid
            ended = SubStatus.COMPLETED
        finally:
            beat.stop()
            grid._retry_invoker.max_tries = 1
            try:
                request = PushTaskOutputRequest(context=None, sub_status=ended, details="")
                grid._runtime_client.PushTaskOutput(request)
            except (httpx.HTTPError, RuntimeError) as error:
                _logger.info("the end of Flower's run %s could not be reported: %s", run, error)
            grid.close()

    def _start(self, files: Mapping[str, bytes]) -> int:
        bundle, _ = build_fab_from_files(files)
        with self._control() as control:
            for run in control.ListRuns(ListRunsRequest()).run_dict.values():
                if run.status.status != Status.FINISHED:
                    _logger.info("ending the abandoned Flower run %s", run.run_id)
                    control.StopRun(StopRunRequest(run_id=run.run_id))
            fab = fab_to_proto(Fab("", bundle, {}))
            started = control.StartRun(StartRunRequest(fab=fab))
        return int(started.run_id)

    def _acquire(self, run: int) -> str:
        """The token of the run's task."""
        signing = SuperExecAuthHttpInterceptor(
            master_secret=self._secret.read_bytes(), protected_methods=[_ACQUIRE]
        )
        version = RuntimeVersionHttpInterceptor(component_name="SuperExec")
        client = RuntimeHttpClient.from_server_address(
            self._address, False, self._authority, interceptors=[version, signing]
        )
        try:
            request = AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP])
            while True:
                with self._told():
                    got = client.AcquireTask(request)
                if not got.token:
                    raise RunFailed(f"Flower's run {run} has no task to claim")
                if got.task.run_id == run:
                    return str(got.token)
        finally:
            client.close()

    @contextmanager
    def _control(self) -> Iterator[ControlHttpClient]:
        client = ControlHttpClient.from_server_address(
            self._address, False, self._authority, interceptors=[]
        )
        try:
            with self._told():
                yield client
        finally:
            client.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Reports every failure of a call in one line."""
        try:
            yield
        except httpx.HTTPStatusError as error:
            known = FlowerError.from_json(error.response.text)
            raise RunFailed(f"the SuperLink refused: {known or error}") from error
        except httpx.HTTPError as error:
            raise RunFailed(
                f"the SuperLink at {self._address} does not answer ({error}). Is fl-server running?"
            ) from error


def _last_seen(node: NodeInfo) -> float | None:
    """Flower knows until when a node counts as there: that long after its newest heartbeat."""
    if not node.online_until:
        return None
    ahead = HEARTBEAT_PATIENCE * node.heartbeat_interval if node.status == "online" else 0.0
    return float(node.online_until - ahead)


def superlink_of(config: Config, home: CloudHome) -> SuperLink:
    """The SuperLink of the configured server."""
    return SuperLink(config["superlink_port"], home.authority.certificate, home.secret)
