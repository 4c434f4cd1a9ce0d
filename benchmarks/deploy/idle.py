"""The memory of a site's federation processes while there is nothing to train."""

import subprocess
import sys
from pathlib import Path

import psutil
from flwr.app import Message

from benchmarks.deploy.overhead import until
from benchmarks.deploy.server import serving
from benchmarks.measuring.environments import ROOT
from fl_common.wire import messages as wire
from fl_server.cloud.home import CloudHome
from fl_server.cloud.superlink import SuperLink


def measure_idle(folder: Path) -> dict[str, float]:
    """Resident bytes of ``fl-client join`` and its children, with the trainer and at rest.

    The site gets a query for its name, which starts its trainer, and then becomes idle again.
    """
    with serving(folder / "server", "run=null") as server:
        given = server.enroll("idle")
        settings = [f"federation.{key}={value}" for key, value in given.items()]
        command = [sys.executable, "-m", "fl_client", "join", f"home={folder / 'site'}", *settings]
        log = folder / "join.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "federation.pace.rest_s=3"], cwd=ROOT, stdout=file, stderr=file
            )
        try:
            until(lambda: "joined" in log.read_text())
            _ask_for_its_name(server.home, int(server.overrides[3].partition("=")[2]))
            at_work = _resident(process.pid)
            until(lambda: "the trainer rests" in log.read_text())
            return {"at_work": at_work, "idle": _resident(process.pid)}
        finally:
            process.terminate()
            process.wait()


def _ask_for_its_name(folder: Path, port: int) -> None:
    home = CloudHome(folder)
    with SuperLink(port, home.authority.certificate, home.secret).run() as grid:
        (node,) = until(lambda: list(grid.get_node_ids()))
        (reply,) = grid.send_and_receive([Message(wire.empty(), node, "query")])
        wire.read_name(reply.content)


def _resident(pid: int) -> int:
    """Bytes of the process and its descendants; shared pages count in each."""
    first = psutil.Process(pid)
    return sum(one.memory_info().rss for one in [first, *first.children(recursive=True)])
