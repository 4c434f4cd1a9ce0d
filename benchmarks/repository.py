"""``make bench-repository``: what the component repository costs a site and its cloud.

A hundred sites, in a process for each core, follow over HTTP a server in this process, which counts
every byte that it sends, heads included. A site is a node's own follower, slot and inference
engine; it runs a new model when the engine has answered a window with it. Adding is measured in CPU
time, because it ends in waits for the disk.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from fl_client.components.build import follow_model
from fl_client.components.context import NodeContext
from fl_client.components.follower import Follower
from fl_client.components.health import Health
from fl_client.functions.host import HostLimits
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_client.inference.trial import trial_within
from fl_common.components.description import Component, Kind
from fl_common.components.reader import Limits, Reader
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Floats, NetSpec, Task
from fl_server.repository.build import (
    build_limits,
    build_repository,
    build_signers,
    default_keys,
    load_configuration,
)
from fl_server.repository.promotion import promote
from fl_server.repository.store.repository import ComponentRepository
from models.export import export_onnx
from models.lineage import Lineage
from models.nets import build_net
from models.tasks import wearables
from tests.support.repositories import Quiet, serving

_NAME = "model"
_AROUND = 9
"""Additions of which the median stands for the one in their middle."""
_BATCH = 64
_FLOAT_BYTES = 4
_AIM_S = "2 s"


class _Counting(Quiet):
    """A handler that adds up what it sends, and keeps connections as web servers do."""

    protocol_version = "HTTP/1.1"
    sent = 0
    _lock = threading.Lock()

    def setup(self) -> None:
        super().setup()
        write = self.wfile.write

        def counted(content: Any) -> int:
            with self._lock:
                _Counting.sent += len(content)
            return write(content)

        self.wfile.write = counted  # type: ignore[method-assign]


@dataclass
class _Site:
    """What a node has of the repository: a follower and an engine on one slot."""

    follower: Follower
    engine: Engine
    window_1: Floats

    def poll(self) -> float:
        """Ask once, and answer one window with what runs then; seconds from the question."""
        began = time.perf_counter()
        assert self.follower.poll(), self.follower.trouble
        self.engine.swap()
        self.engine.predict(self.window_1)
        return time.perf_counter() - began


@dataclass(frozen=True)
class _Polled:
    """Bytes sent for each site; seconds of each from its question, and of all; what runs there."""

    sent: float
    seconds: Sequence[float]
    whole: float
    runs: set[str]


class _Fleet:
    """``count`` sites that read at ``address``, in a process for each core."""

    def __init__(self, folder: Path, address: str, root: bytes, count: int) -> None:
        self._count = count
        self._cores = [
            ProcessPoolExecutor(1, get_context("spawn")) for _ in range(os.cpu_count() or 1)
        ]
        shares = [range(core, count, len(self._cores)) for core in range(len(self._cores))]
        for core, share in zip(self._cores, shares, strict=True):
            core.submit(_make_sites, folder, address, root, share).result()

    def poll(self) -> _Polled:
        """Every site polls, as many at a time as there are cores."""
        before, began = _Counting.sent, time.perf_counter()
        polled = [core.submit(_poll_sites) for core in self._cores]
        answers = [answer for core in polled for answer in core.result()]
        whole = time.perf_counter() - began
        sent = (_Counting.sent - before) / self._count
        runs = {digest for _, digest in answers}
        return _Polled(sent, [seconds for seconds, _ in answers], whole, runs)

    def close(self) -> None:
        """End the processes."""
        for core in self._cores:
            core.shutdown()


_SITES: list[_Site] = []
"""Those of this process."""


def _make_sites(folder: Path, address: str, root: bytes, numbers: Sequence[int]) -> None:
    limits, task = build_limits(load_configuration(None)), wearables()
    for number in numbers:
        _SITES.append(_site(folder / f"site-{number}", address, root, limits, task))


def _poll_sites() -> list[tuple[float, str]]:
    """Seconds, and the sha256 of the model file that has answered, of each site here."""
    return [(site.poll(), site.engine.signature()[0]) for site in _SITES]


def main() -> None:
    """Measure, and print one table."""
    parser = argparse.ArgumentParser(description="Figures of the component repository.")
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--megabytes", type=float, default=1.0, help="size of the model")
    parser.add_argument("--components", type=int, default=1000)
    options = parser.parse_args()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("figure", "found", "aim"):
        table.add_column(column)
    with TemporaryDirectory() as folder:
        for row in _delivery(Path(folder, "a"), options.sites, options.megabytes * 1e6):
            table.add_row(*row)
        for row in _growth(Path(folder, "b"), options.components):
            table.add_row(*row)
    Console().print(table)


def _delivery(folder: Path, count: int, size: float) -> Iterator[tuple[str, str, str]]:
    """A promotion reaches every site, and runs there."""
    repository, task = _repository(folder), wearables()
    first = _release(repository, folder, task, size, seed=1)
    with serving(partial(_Counting, directory=str(repository.folder))) as address:
        fleet = _Fleet(folder, address, repository.root(), count)
        yield "model", f"{first.size} bytes", ""
        yield "first contact, bytes over the file", f"{fleet.poll().sent - first.size:.0f}", ""
        yield "unchanged poll, bytes a site", f"{fleet.poll().sent:.0f}", "below 5000"
        second = _release(repository, folder, task, size, seed=2)
        polled = fleet.poll()
        fleet.close()
        assert polled.runs == {second.files[0].sha256}
        over = polled.sent / second.size - 1
        yield "new model, bytes a site over the file's", f"{over:.2%}", "at most 5 %"
        yield "poll to running model, median site", f"{median(polled.seconds):.2f} s", _AIM_S
        yield "poll to running model, slowest site", f"{max(polled.seconds):.2f} s", _AIM_S
        what = f"all {count} sites, on the cores of this machine with the server"
        yield what, f"{polled.whole:.2f} s", ""


def _site(folder: Path, address: str, root: bytes, limits: Limits, task: Task) -> _Site:
    slot = ModelSlot(folder / "slots" / "model")
    reader = Reader(folder / "repository", address, root, limits)
    health = Health(windows=1, more_failures=0.0, times_slower=1e9, ends=3)
    troubles = Troubles()
    functions = Functions({}, HostProcess(folder, HostLimits(1.0, 64.0), troubles), 1)
    box = NodeContext(folder.name, folder, task, slot, {}, functions, 1.0, troubles)
    follower = Follower(reader, [follow_model(box, _NAME, reader, health, None)], box.troubles)
    follower.resume()
    window_1 = np.zeros((1, *task.window_shape), np.float32)
    return _Site(follower, Engine(slot, task, 1, _BATCH, trial_within(60, 1024), 10.0), window_1)


def _growth(folder: Path, components: int) -> Iterator[tuple[str, str, str]]:
    """The cost of adding a new name when there are many."""
    repository, file = _repository(folder), folder / "model.onnx"

    def add(number: int) -> None:
        file.write_bytes(os.urandom(1000))
        _add(repository, file, f"model-{number}")

    seconds = [_cpu_seconds(partial(add, n)) for n in range(components + _AROUND // 2)]
    tenth, last = _at(seconds, 10), _at(seconds, components)
    yield "CPU of adding the 10th component", f"{tenth * 1000:.1f} ms", ""
    yield f"CPU of adding component {components}", f"{last * 1000:.1f} ms", ""
    yield "ratio", f"{last / tenth:.2f}", "at most 2"


def _at(seconds: list[float], number: int) -> float:
    half = _AROUND // 2
    return median(seconds[number - 1 - half : number + half])


def _cpu_seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def _repository(folder: Path) -> ComponentRepository:
    config, place = load_configuration(None), folder / "repository"
    repository = build_repository(place, default_keys(place), config)
    repository.create(build_signers(config))
    return repository


def _release(
    repository: ComponentRepository, folder: Path, task: Task, size: float, seed: int
) -> Component:
    """A new model of about ``size`` bytes in production, its parameters drawn from ``seed``."""
    inputs = int(np.prod(task.window_shape))
    width = max(1, round(size / _FLOAT_BYTES / (inputs + len(task.labels) + 1)))
    spec, file = (
        NetSpec("models.nets.mlp.Mlp", {"hidden": [width], "activation": "relu"}),
        folder / "model.onnx",
    )
    lineage = Lineage("benchmark", "run", 1, spec, {"unit": "none"})
    values_1 = np.zeros((1, *task.window_shape), np.float32)
    export_onnx(build_net(spec, task, seed), task, file, lineage, values_1)
    component = _add(repository, file, _NAME)
    promote(repository, Kind.MODEL, _NAME, None, (), "benchmark")
    return component


def _add(repository: ComponentRepository, file: Path, name: str) -> Component:
    return repository.add(Kind.MODEL, name, None, {file.name: file}, {"licence": "Apache-2.0"})


if __name__ == "__main__":
    main()
