"""``python -m benchmarks.edge``: the site's path from a sensor's message to a prediction.

python -m benchmarks.edge                 everything: about 30 minutes on two cores
python -m benchmarks.edge --parts rates   these alone; results of the others stay

Writes ``benchmarks/EDGE.md`` and ``edge.json``. Everything is a real process: mosquitto, the node
as ``fl-client run`` starts it, a sensor that also hears the predictions, a bare subscriber.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

import psutil
from rich.console import Console

from benchmarks.edge.neighbours import measure_clients, measure_twins
from benchmarks.edge.page import to_markdown
from benchmarks.edge.sensor import Message, Sensor, json_message, raw_message, windows_in
from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import PATIENCE, NodeProcess, node, place_model, wait_for

FORMS: dict[str, tuple[str, int, Message]] = {
    "raw, 16 readings in a message": ("wearables_raw", 16, raw_message(16)),
    "JSON, 5 readings in a message": ("wearables_json", 5, json_message(5)),
    "JSON, 1 reading in a message": ("wearables_json", 1, json_message(1)),
}
_MESSAGES = 12_000
_LATENCY_S = 20
_BROKER = ["autosave_on_changes false", "autosave_interval 1800"]  # as it is installed
_SPEED, _DAY_S = 100, 86_400
_BURST = 100_000
_SLOWEST = 40
"""Predictions a second that are waited for: a tenth of what a node alone publishes."""
_TRAINING = ["net=cnn1d", "rounds=100000", "partition=iid"]

_console = Console(highlight=False, soft_wrap=True)


def bare_rate(port: int, message: Message, rows: int) -> float:
    """Messages a second of a subscriber that only counts."""
    command = [sys.executable, "-m", "benchmarks.edge.bare", str(port), "flood", str(_MESSAGES)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    with Sensor(port, "flood", "none", rows) as sensor:
        sensor.send(message, 0, _MESSAGES, None)
        seconds = float(process.stdout.readline())
    process.wait()
    return _MESSAGES / seconds


def node_rate(box: NodeProcess, sensor: Sensor, message: Message, rows: int) -> dict[str, float]:
    """Messages a second from the first message to the last prediction; the largest backlog."""
    before = box.status()["messages"]["received"]
    began, most = time.monotonic(), 0
    sensor.send(message, 0, _MESSAGES, None)
    expected = windows_in(_MESSAGES * rows)
    while len(sensor.heard) < expected:
        most = max(most, box.status()["messages"]["waiting"])
        if time.monotonic() - began > 300:
            raise SystemExit(f"{len(sensor.heard)} of {expected} predictions came")
        time.sleep(0.02)
    seconds = time.monotonic() - began
    wait_for(lambda: box.status()["messages"]["received"] - before == _MESSAGES, "all messages")
    assert not box.status()["messages"]["lost"], box.status()
    return {"rate": _MESSAGES / seconds, "most_waiting": most}


def latencies(sensor: Sensor, message: Message, first: int, rate: float) -> dict[str, float]:
    """Median and 99th percentile in seconds, at ``rate`` messages a second."""
    sensor.latencies_s.clear()
    count = int(rate * _LATENCY_S)
    sensor.send(message, first, first + count, rate)
    time.sleep(2)
    found = sensor.latencies_s
    cuts = quantiles(found, n=100)
    return {"p50": median(found), "p99": cuts[98], "windows": len(found), "next": first + count}


@contextmanager
def at_work(
    folder: Path, port: int, rows: int, *overrides: str
) -> Iterator[tuple[NodeProcess, Sensor]]:
    """A node with a model at the broker on ``port``, and its watch: ``rows`` in a message."""
    home = folder / "box"
    home.mkdir()
    place_model(home)
    with node(home, port, "retention.days=36500", *overrides) as box:
        box.wait()
        with Sensor(port, "sensors/box/watch", "predictions/box", rows) as sensor:
            yield box, sensor


def wait_for_predictions(sensor: Sensor, expected: int) -> None:
    """Wait as long as that many may take beside other work."""
    patience = PATIENCE + expected / _SLOWEST
    wait_for(lambda: len(sensor.heard) >= expected, "predictions", patience)


def measure_form(name: str, folder: Path) -> dict[str, Any]:
    """One form of message: rates, and latencies alone and with training beside."""
    sensors, rows, message = FORMS[name]
    with Mosquitto(folder / "broker", _BROKER) as broker:
        bare = bare_rate(broker.port, message, rows)
        with at_work(folder, broker.port, rows, f"sensors={sensors}") as (box, sensor):
            ours = node_rate(box, sensor, message, rows)
            alone = latencies(sensor, message, _MESSAGES, ours["rate"] / 2)
            with training(folder / "training"):
                beside = latencies(sensor, message, int(alone["next"]), ours["rate"] / 2)
    return {"form": name, "bare": bare, **ours, "alone": alone, "beside": beside}


def measure_rates(folder: Path) -> dict[str, Any]:
    """Each form of message."""
    forms = []
    for place, form in enumerate(FORMS):
        forms.append(measure_form(form, folder / str(place)))
        _console.print(forms[-1])
    return {"forms": forms}


class training:  # noqa: N801
    """DP-SGD of a convolutional net at nice 10, as the box's training process runs."""

    def __init__(self, folder: Path) -> None:
        options = [*_TRAINING, f"hydra.run.dir={folder}"]
        command = ["nice", "-n", "10", sys.executable, "-m", "simulate", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        wait_for((folder / "rounds.jsonl").exists, "a training run that has begun")

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()


def measure_start(folder: Path) -> dict[str, Any]:
    """Seconds from the start to ready, and resident bytes, of a node with a model and no load."""
    seconds, resident = [], []
    with Mosquitto(folder / "broker", _BROKER) as broker:
        home = folder / "box"
        home.mkdir()
        place_model(home)
        for _ in range(3):
            began = time.monotonic()
            with node(home, broker.port) as box:
                box.wait()
                seconds.append(time.monotonic() - began)
                resident.append(psutil.Process(box.process.pid).memory_info().rss)
                box.stop()
    return {"seconds": median(seconds), "resident": median(resident)}


def measure_burst(folder: Path) -> dict[str, Any]:
    """Messages as fast as the broker takes them: the resident memory, and what became of them."""
    rows, message = 16, raw_message(16)
    with (
        Mosquitto(folder / "broker", _BROKER) as broker,
        at_work(folder, broker.port, rows) as (box, sensor),
    ):
        sensor.send(message, 0, _BURST, None)
        wait_for_predictions(sensor, windows_in(_BURST * rows))
        wait_for(lambda: box.status()["messages"]["received"] >= _BURST, "all messages")
        resident = psutil.Process(box.process.pid).memory_info().rss
        return {"messages": _BURST, "counts": box.status()["messages"], "resident": resident}


def measure_day(folder: Path) -> dict[str, Any]:
    """A day of traffic at 100 times speed: memory, and what became of the messages."""
    rows, message = 16, raw_message(16)
    messages = int(_DAY_S * 50 / rows)
    with (
        Mosquitto(folder / "broker", _BROKER) as broker,
        at_work(folder, broker.port, rows) as (box, sensor),
    ):
        resident, process = [], psutil.Process(box.process.pid)
        part = max(1, messages // 200)
        for first in range(0, messages, part):
            last = min(first + part, messages)
            sensor.send(message, first, last, _SPEED * 50 / rows)
            resident.append(process.memory_info().rss)
        wait_for_predictions(sensor, windows_in(messages * rows))
        wait_for(lambda: box.status()["messages"]["received"] >= messages, "all messages")
        counts = box.status()["messages"]
    tenth = resident[len(resident) // 10]
    growth = max(resident[len(resident) // 10 :]) / tenth - 1
    return {"hours": _DAY_S / 3600, "speed": _SPEED, "messages": messages, "counts": counts,
            "growth": growth, "resident": max(resident)}  # fmt: skip


_MEASURES: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "start": measure_start,
    "rates": measure_rates,
    "burst": measure_burst,
    "clients": measure_clients,
    "twins": measure_twins,
    "day": measure_day,
}


def measure(part: str, folder: Path) -> dict[str, Any]:
    """The figures of one part, and the machine when it began."""
    machine = dict(facts())
    return {**_MEASURES[part](folder / part), "machine": machine}


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description="Measure.")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=list(_MEASURES),
        default=list(_MEASURES),
        help="results of others stay",
    )
    parts, results = parser.parse_args().parts, ROOT / "benchmarks" / "edge.json"
    found = json.loads(results.read_text()) if results.is_file() else {}
    with TemporaryDirectory() as name:
        for part in parts:
            found[part] = measure(part, Path(name))
    results.write_text(json.dumps(found, indent=1) + "\n")
    (ROOT / "benchmarks" / "EDGE.md").write_text(to_markdown(found))
    _console.print("written: benchmarks/EDGE.md")


if __name__ == "__main__":
    main()
