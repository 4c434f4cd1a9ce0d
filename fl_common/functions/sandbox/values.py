"""Events as WebAssembly values: what wasmtime's C interface reads, written at one go.

The package passes a list element by element: 18.7 ms for a window of 768 numbers. Here a list of
numbers is one copy by numpy into wasmtime's memory. It leans on ``wasmtime._ffi``, which may change
with any release: so the version is pinned, and ``tests/contract/test_wasmtime.py`` holds it.
"""

import ctypes
from collections.abc import Mapping, Sequence
from ctypes import addressof, byref
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wasmtime import _ffi as ffi

from fl_common.functions.events import (
    Event,
    Happening,
    Predicted,
    Reading,
    Tick,
    Window,
    name_of,
)

Value = Any
"""A ``wasmtime_component_val_t``."""
_VALUE = ffi.wasmtime_component_val_t
_FLOAT = np.dtype(
    {
        "names": ["kind", "number"],
        "formats": ["u1", "<f4"],
        "offsets": [0, _VALUE.of.offset],
        "itemsize": ctypes.sizeof(_VALUE),
    }
)
"""One number in a list of values."""


def write_event(value: Value, event: Event) -> None:
    """Write the variant ``event`` of the contract."""
    payload = _VALUE()
    if isinstance(event, Tick):
        _write(payload, "time-ns", event.time_ns)
    elif isinstance(event, Window):
        write_window(payload, event)
    else:
        _record(payload, _fields_of(event))
    value.kind = ffi.WASMTIME_COMPONENT_VARIANT
    value.of.variant.discriminant = ffi.str_to_capi(name_of(event))
    value.of.variant.val = ffi.wasmtime_component_val_new(byref(payload))


def _fields_of(event: Predicted | Reading | Happening) -> dict[str, Any]:
    """The fields of a record, in the contract's order."""
    if isinstance(event, Reading):
        of = {"sensor": event.sensor, "stream": event.stream, "time-ns": event.time_ns}
        return {**of, "values": event.values}
    times = {**_times(event), "stream": event.stream}
    if isinstance(event, Happening):
        return {**times, "function": event.function, "kind": event.kind, "data": event.data}
    told = {"kind": event.kind, "label": event.label, "said": event.said}
    return {**times, **told, "names": event.names, "values": event.values, "model": event.model}


def write_window(value: Value, window: Window) -> None:
    """Write the record ``window`` of the contract."""
    of = {"stream": window.stream, "channels": window.channels, "values": window.values}
    _record(value, {**_times(window), **of})


def write_string(value: Value, text: str) -> None:
    """Write a string."""
    value.kind = ffi.WASMTIME_COMPONENT_STRING
    value.of.string = ffi.str_to_capi(text)


def read_string(value: Value) -> str:
    """The string in a value. Raises UnicodeDecodeError never: wasmtime has checked it."""
    return str(ffi.to_str(value.of.string))


def read_window(value: Value) -> Window:
    """The record ``window`` in a value."""
    record = value.of.record
    start, end, stream, channels, values = (record.data[n].val for n in range(record.size))
    names = channels.of.list
    return Window(
        start.of.s64,
        end.of.s64,
        tuple(read_string(names.data[n]) for n in range(names.size)),
        read_numbers(values).tolist(),
        read_string(stream),
    )


def _times(event: Predicted | Window | Happening) -> dict[str, Any]:
    return {"start-ns": event.start_ns, "end-ns": event.end_ns}


def _record(value: Value, fields: Mapping[str, Any]) -> None:
    """Write a record: of ``fields`` in the contract's order."""
    value.kind = ffi.WASMTIME_COMPONENT_RECORD
    ffi.wasmtime_component_valrecord_new_uninit(byref(value.of.record), len(fields))
    for number, (name, field) in enumerate(fields.items()):
        entry = value.of.record.data[number]
        entry.name = ffi.str_to_capi(name)
        _write(entry.val, name, field)


def _write(value: Value, name: str, field: Any) -> None:
    """Write a field by what it is: ``values`` are numbers, other lists are strings."""
    if isinstance(field, int):
        value.kind = ffi.WASMTIME_COMPONENT_S64
        value.of.s64 = field
    elif isinstance(field, str):
        write_string(value, field)
    else:
        if name == "values":
            return write_numbers(value, field)
        value.kind = ffi.WASMTIME_COMPONENT_LIST
        ffi.wasmtime_component_vallist_new_uninit(byref(value.of.list), len(field))
        for at, text in enumerate(field):
            write_string(value.of.list.data[at], text)
    return None


def write_numbers(value: Value, row: Any) -> None:
    """Write a list of numbers of 32 bits."""
    row = np.asarray(row, dtype=np.float32).ravel()
    value.kind = ffi.WASMTIME_COMPONENT_LIST
    ffi.wasmtime_component_vallist_new_uninit(byref(value.of.list), len(row))
    view = _floats(value.of.list)
    view["kind"], view["number"] = ffi.WASMTIME_COMPONENT_F32.value, row


def read_numbers(value: Value) -> NDArray[np.float32]:
    """The list of numbers of 32 bits in a value."""
    found: NDArray[np.float32] = _floats(value.of.list)["number"].copy()
    return found


def numbers(value: Value) -> list[int]:
    """The list of whole numbers (u32) in a value."""
    return [int(value.of.list.data[n].of.u32) for n in range(value.of.list.size)]


def _floats(values: Any) -> Any:
    """A list of values as an array of ``_FLOAT``, in place."""
    if not values.size:
        return np.zeros(0, dtype=_FLOAT)
    room = (ctypes.c_char * (values.size * _FLOAT.itemsize)).from_address(
        addressof(values.data.contents)
    )
    return np.frombuffer(room, dtype=_FLOAT)


def texts(values: Any, count: int) -> Sequence[str]:
    """The strings among the arguments of a call."""
    return [read_string(values[n]) for n in range(count)]
