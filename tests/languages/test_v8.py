"""Shipped functions under V8, by jco and Node: on 1,000 recorded windows the bytes of wasmtime.

V8 shares nothing with Cranelift but the specification, so what both give is no fault of a compiler.
The shared runner is a component like any other: it is judged with the source of each function.
"""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.functions.asked import Numbers, Reply
from fl_common.functions.events import Event, Happening, Predicted, Reading, Tick, Window
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import runner_content
from fl_common.functions.sandbox.imports import Call
from fl_common.functions.sandbox.open import open_function
from models.tasks import wearables
from simulate.functions.building import JCO, component_of
from tests.support.sandboxes import compile_runner
from tests.support.sources import ROOT

JUDGE = ROOT / "tests/languages/judge.mjs"
WINDOWS, EACH_NS, READINGS = 1000, 200 * 10**9, 4
BEGIN_NS = 1_790_000_000_123_456_789
FUNCTIONS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/cases.jsonl"))
SCRIPTS = sorted(path.parent.name for path in (ROOT / "functions").glob("*/function.js"))
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "geofence": {"latitude": 0.0, "longitude": 0.0, "metres": 60_000},
    "rate-of-change": {"per_second": 0.01, "seconds": 2},
    "range": {"low": -0.5, "high": 0.5, "margin": 0.1},
}
"""Where the shipped ones would find nothing in these recordings."""


@dataclass
class Told:
    """What came of the calls, a JSON value each, and what the model answered."""

    lines: list[Any] = field(default_factory=list)
    answers: list[list[float]] = field(default_factory=list)


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[tuple[Window, int]]:
    """Windows of six channels, with their labels."""
    with np.load(shared_data / "watch_shoulder.npz") as data:
        values_NTC, labels_N = data["x"][:WINDOWS], data["y"][:WINDOWS]
    channels = wearables().channels
    return [
        (
            Window(
                begin := BEGIN_NS + n * EACH_NS,
                begin + 2_560_000_000,
                channels,
                values.ravel().tolist(),
            ),
            label,
        )
        for n, (values, label) in enumerate(zip(values_NTC, labels_N.tolist(), strict=True))
    ]


@pytest.fixture(scope="module")
def transpiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The folder of a component for V8."""

    @cache
    def of(content: bytes) -> Path:
        folder = tmp_path_factory.mktemp("transpiled")
        (folder / "made.wasm").write_bytes(content)
        (folder / "package.json").write_text('{"type": "module"}')
        command = ("npx", "--yes", JCO, "transpile", "made.wasm", "-o", ".", "--name", "judged",
                   "--instantiation", "sync", "--no-typescript")  # fmt: skip
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=600)
        return folder

    return of


def events_of(kinds: Sequence[str], recorded: Sequence[tuple[Window, int]]) -> Iterator[Event]:
    """What a function of these kinds is given of the recordings."""
    labels, before = wearables().labels, None
    for window, label in recorded:
        values_TC = np.reshape(window.values, (-1, len(window.channels)))
        if "reading" in kinds:
            for n, row in enumerate(values_TC[:: len(values_TC) // READINGS]):
                time_ns = window.start_ns + n * 10**9
                yield Reading("wrist", time_ns, tuple(row.tolist()))
        if "window" in kinds:
            yield window
        if "prediction" in kinds:
            sure = float(np.float32(0.7 + 0.29 * abs(np.tanh(values_TC[0, 0]))))
            shares = np.full(len(labels), (1 - sure) / (len(labels) - 1), np.float32)
            shares[label] = sure
            yield Predicted(window.start_ns, window.end_ns, labels, tuple(shares.tolist()),
                            word=labels[label])  # fmt: skip
        if "happening" in kinds and label != before:
            kind = "alarm-raised" if label % 2 else "alarm-cleared"
            data = json.dumps({"name": labels[label]})
            yield Happening(window.start_ns, window.end_ns, "threshold-alarm", kind, data)
        if "tick" in kinds:
            yield Tick(window.start_ns + EACH_NS // 2)
        before = label


def answering(windows: Numbers) -> Numbers:
    """Two shares of each window, which small changes may turn over."""
    sums_N = np.tanh(windows.reshape(len(windows), -1).sum(axis=1) % 1 - 0.5)
    return np.stack([0.5 + sums_N / 2, 0.5 - sums_N / 2], axis=1).astype(np.float32)


def by_wasmtime(
    folder: FunctionFolder, events: Sequence[Event], monkeypatch: pytest.MonkeyPatch
) -> Told:
    """What wasmtime gives, with the texts of events as the component gave them."""
    function, told, state = open_function(folder, compile_runner()), Told(), dict[str, str]()
    emitted, asked = list[Any](), list[Any]()
    emit, infer = Call.emit, Call.infer

    def emitting(call: Call, kind: str, text: str) -> str | None:
        emitted.append([kind, text])
        return emit(call, kind, text)

    def inferring(call: Call, values: Numbers, shape: Sequence[int]) -> Reply:
        asked.append([list(shape), values.tobytes().hex()])
        answer = infer(call, values, shape)
        told.answers.append(np.asarray(answer, np.float32).tolist())
        return answer

    monkeypatch.setattr(Call, "emit", emitting)
    monkeypatch.setattr(Call, "infer", inferring)
    for event in events:
        emitted.clear()
        asked.clear()
        shape = None
        if folder.spec.world == "shape":
            assert isinstance(event, Window)
            found, outcome = function.transform(event)
            assert found is not None, outcome.failure
            bits = np.asarray(found.values, np.float32).tobytes().hex()
            shape = [str(found.start_ns), str(found.end_ns), found.stream, list(found.channels),
                     bits]  # fmt: skip
        else:
            outcome = function.call(event, state, answering)
        state, failure = dict(outcome.state), outcome.failure
        error = None if failure is None else failure.text
        told.lines.append(
            [[*emitted], [list(pair) for pair in sorted(state.items())], shape,
             [list(line) for line in outcome.lines], [*asked], error]
        )  # fmt: skip
    return told


def by_v8(
    place: Path, folder: FunctionFolder, events: Sequence[Event], answers: Sequence[list[float]]
) -> list[Any]:
    """What V8 gives."""
    request = {
        "source": folder.source, "file": folder.spec.file, "settings": folder.spec.settings,
        "called": folder.spec.called, "answers": answers,
        "events": [fields_of(event) for event in events],
    }  # fmt: skip
    done = subprocess.run(
        ["node", *node_options(), JUDGE, place], input=json.dumps(request), capture_output=True,
        text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@cache
def node_options() -> list[str]:
    """Before V8 11.4 what the linker of C makes needs a flag, which later ones do not know."""
    flag = "--experimental-wasm-extended-const"
    known = subprocess.run(["node", "--v8-options"], capture_output=True, text=True, check=True)
    return [flag] if flag in known.stdout else []


def fields_of(event: Event) -> tuple[str, dict[str, Any]]:
    """An event as the contract has it; its times as texts, for JavaScript's JSON rounds them."""
    common = {"stream": event.stream}
    match event:
        case Tick():
            return "tick", {"time_ns": str(event.time_ns), **common}
        case Reading():
            about: dict[str, Any] = {"sensor": event.sensor, "time_ns": str(event.time_ns)}
            return "reading", {**about, "values": list(event.values), **common}
    times = {"start_ns": str(event.start_ns), "end_ns": str(event.end_ns), **common}
    match event:
        case Window():
            return "window", {**times, "channels": event.channels, "values": list(event.values)}
        case Happening():
            told = {"function": event.function, "kind": event.kind, "data": event.data}
            return "happening", {**times, **told}
    told = {"kind": event.kind, "label": event.label, "said": event.said, "model": event.model}
    return "prediction", {**times, **told, "names": event.names, "values": list(event.values)}


def shipped(name: str) -> FunctionFolder:
    """A shipped function, with settings by which it finds something."""
    folder = FunctionFolder.read(ROOT / "functions" / name)
    settings = json.loads(folder.spec.settings) | SETTINGS.get(name, {})
    return replace(folder, spec=replace(folder.spec, settings=json.dumps(settings)))


def check_same(
    folder: FunctionFolder,
    place: Path,
    recorded: Sequence[tuple[Window, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kinds = [kind for kind, _ in folder.spec.on]
    events = list(events_of(kinds, recorded))
    ours = by_wasmtime(folder, events, monkeypatch)
    theirs = by_v8(place, folder, events, ours.answers)
    assert len(ours.lines) == len(events) >= WINDOWS
    assert json.dumps(theirs) == json.dumps(ours.lines)
    assert not any(error for *_, error in ours.lines)
    assert any(emitted or shape for emitted, _, shape, *_ in ours.lines), "it finds nothing"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_v8_and_wasmtime_give_the_same_bytes(
    name: str,
    transpiled: Any,
    recorded: list[tuple[Window, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_same(shipped(name), transpiled(runner_content()), recorded, monkeypatch)


@pytest.mark.parametrize("name", SCRIPTS)
def test_of_javascript_too(
    name: str,
    transpiled: Any,
    recorded: list[tuple[Window, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    python = shipped(name)
    content = component_of(ROOT / "functions" / name / "function.js")
    needs = python.spec.needs | {"log"}
    spec = replace(python.spec, form="wasm", file="function.wasm", needs=needs)
    check_same(FunctionFolder(spec, content), transpiled(content), recorded, monkeypatch)
