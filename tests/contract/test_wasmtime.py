"""The private interface of wasmtime's package by which values pass: as of the pinned version."""

import ctypes
from importlib.metadata import version

import numpy as np
import pytest
from wasmtime import _ffi as ffi

from fl_common.functions.events import Event, Happening, Reading, Tick, Window
from fl_common.functions.sandbox.values import read_window, write_event, write_window
from tests.support.sandboxes import function_in_python, predicted

TELLS = """
def handle(event):
    told = {name: value for name, value in vars(event).items() if name != "model"}
    emit("found", told)
"""


def test_the_version_is_the_one_that_this_was_written_for() -> None:
    assert version("wasmtime") == "50.0.1"


def test_a_value_has_the_layout_that_is_written() -> None:
    kind = ffi.wasmtime_component_val_t
    assert (ctypes.sizeof(kind), kind.of.offset, kind.kind.offset) == (32, 8, 0)
    assert [ffi.WASMTIME_COMPONENT_F32.value, ffi.WASMTIME_COMPONENT_S64.value] == [9, 7]


@pytest.mark.parametrize("count", [0, 1, 768])
def test_a_list_of_numbers_comes_back_bit_by_bit(count: int) -> None:
    numbers = np.random.default_rng(1).normal(size=count).astype(np.float32)
    value = ffi.wasmtime_component_val_t()
    window = Window(-(1 << 63), (1 << 63) - 1, ("x", "y"), numbers.tolist(), "hall")
    write_window(value, window)
    assert read_window(value) == window
    ffi.wasmtime_component_val_delete(ctypes.byref(value))


def test_each_kind_of_event_arrives_whole() -> None:
    function = function_in_python(TELLS)
    events: list[Event] = [
        predicted("walk", 3, stream="hall"),
        Reading("wrist", 5, (0.5, -1.0), "hall"),
        Window(0, 1, ("x",), (0.5,), ""),
        Happening(0, 1, "fall", "alarm-raised", '{"p": 1}', "b"),
        Tick(7),
    ]
    told = [dict(function.call(event, {}).events[0].data) for event in events]
    assert [one.pop("type") for one in told] == [
        "prediction", "reading", "window", "happening", "tick",
    ]  # fmt: skip
    assert told[0] == {
        "start_ns": 3 * 10**9, "end_ns": 4 * 10**9, "stream": "hall", "kind": "classification",
        "label": "walk", "said": "walk, surely", "names": ["walk", "rest"], "values": [0.75, 0.25],
    }  # fmt: skip
    assert told[1] == {"sensor": "wrist", "stream": "hall", "time_ns": 5, "values": [0.5, -1]}
    assert told[2]["channels"] == ["x"]
    assert told[3]["function"] == "fall"
    assert told[4] == {"time_ns": 7}


def test_text_of_any_language_passes() -> None:
    value = ffi.wasmtime_component_val_t()
    write_event(value, predicted(stream="Küche 🚪"))
    ffi.wasmtime_component_val_delete(ctypes.byref(value))
