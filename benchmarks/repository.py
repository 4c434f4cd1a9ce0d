"""``make bench-repository``: what the component repository costs a site and its cloud.

A hundred sites read over HTTP from a server in this process, which counts every byte that it sends,
heads included. Adding is measured in CPU time, because it ends in waits for the disk.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from fl_common.components.description import Kind, Stage
from fl_common.components.reader import Reader
from fl_common.components.repository import ComponentRepository
from fl_server.promotion import promote
from fl_server.repository.build import (
    build_limits,
    build_repository,
    build_signers,
    default_keys,
    load_configuration,
)

_NAME = "model"
_AROUND = 9
"""Additions of which the median stands for the one in their middle."""


class _Counting(SimpleHTTPRequestHandler):
    """A handler that adds up what it sends."""

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

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is logged."""


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
        for row in _delivery(Path(folder, "a"), options.sites, int(options.megabytes * 1e6)):
            table.add_row(*row)
        for row in _growth(Path(folder, "b"), options.components):
            table.add_row(*row)
    Console().print(table)


def _delivery(folder: Path, sites: int, size: int) -> Iterator[tuple[str, str, str]]:
    """A promotion reaches every site."""
    repository = _repository(folder)
    _release(repository, folder, size)
    with _served(repository.folder) as address:
        limits = build_limits(load_configuration(None))
        readers = [
            Reader(folder / f"site-{n}", address, repository.root(), limits) for n in range(sites)
        ]
        first, *_ = _poll(readers)
        yield "first contact, bytes over the file", f"{first - size:.0f}", ""
        same, *_ = _poll(readers)
        yield "unchanged poll, bytes a site", f"{same:.0f}", "below 5000"
        _release(repository, folder, size)
        moved, slowest, middle, whole = _poll(readers)
        yield "new model, bytes a site over the file's", f"{moved / size - 1:.2%}", "at most 5 %"
        yield "poll to verified model, median site", f"{middle:.2f} s", "2 s"
        yield "poll to verified model, slowest site", f"{slowest:.2f} s", "2 s"
        yield f"all {sites} sites, on one machine with the server", f"{whole:.2f} s", ""


def _poll(readers: list[Reader]) -> tuple[float, float, float, float]:
    """Every site polls and fetches: bytes a site; slowest, median and whole seconds."""
    before, began = _Counting.sent, time.perf_counter()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seconds = list(pool.map(_follow, readers))
    whole = time.perf_counter() - began
    sent = (_Counting.sent - before) / len(readers)
    return sent, max(seconds), median(seconds), whole


def _follow(reader: Reader) -> float:
    began = time.perf_counter()
    reader.refresh()
    component = reader.current(Kind.MODEL, _NAME, Stage.PRODUCTION)
    assert component is not None
    reader.fetch(component)
    return time.perf_counter() - began


def _growth(folder: Path, components: int) -> Iterator[tuple[str, str, str]]:
    """The cost of adding a new name when there are many."""
    repository = _repository(folder)
    seconds = [
        _cpu_seconds(partial(_add, repository, folder, f"model-{n}", 1000))
        for n in range(components + _AROUND // 2)
    ]
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


def _release(repository: ComponentRepository, folder: Path, size: int) -> None:
    """A new model of ``size`` random bytes in production."""
    _add(repository, folder, _NAME, size)
    promote(repository, Kind.MODEL, _NAME, None, (), "benchmark")


def _add(repository: ComponentRepository, folder: Path, name: str, size: int) -> None:
    file = folder / "model.onnx"
    file.write_bytes(os.urandom(size))
    repository.add(Kind.MODEL, name, None, {file.name: file}, {"licence": "Apache-2.0"})


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Counting, directory=str(folder)))
    server.request_queue_size = 128
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


if __name__ == "__main__":
    main()
