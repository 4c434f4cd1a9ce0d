"""What a component may call: emit, get, put, drop, log, infer; how much of it in one call.

Host calls are outside fuel, so they are counted. A call that goes beyond a limit of its events or
its state is told so, and fails whatever it makes of that.
"""

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime.component import Linker

from fl_common.errors import BadInput
from fl_common.functions.asked import Model, Numbers, Reply, checked, no_model, shaped
from fl_common.functions.events import FunctionEvent
from fl_common.functions.found import data_of, plain, why_unfit
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.outcome import Failure
from fl_common.functions.sandbox.values import (
    numbers,
    read_numbers,
    texts,
    write_numbers,
    write_string,
)
from fl_common.functions.specification.schema import EventSchemas

PACKAGE, VERSION = "jointhedots:function", "1.0.0"
NEEDS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "emit": ("events", ("emit",)),
    "state": ("state", ("get", "put", "drop")),
    "log": ("logs", ("log",)),
    "infer": ("model", ("infer",)),
}
"""What a function may need: the interface of the contract, and its functions."""
LEVELS = ("debug", "info", "warning", "error")
_MOST_LINES, _MOST_TEXT = 20, 500


def interface(name: str) -> str:
    """The full name of an interface of the contract."""
    return f"{PACKAGE}/{name}@{VERSION}"


class OutOfBounds(Exception):
    """A call that must end at once."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


@dataclass
class Call:
    """One call: what it found, remembers and logged, within ``limits``."""

    limits: Limits
    needs: frozenset[str]
    schemas: EventSchemas
    state: dict[str, str]
    model: Model = no_model
    """Answers what it asks."""
    events: list[FunctionEvent] = field(default_factory=list)
    lines: list[tuple[str, str]] = field(default_factory=list)
    failure: Failure | None = None
    line: int | None = None
    unsaid: int = 0
    answers: list[Reply] = field(default_factory=list)
    """What the model answered, or why it did not."""
    _calls: int = 0
    _event_bytes: int = 0
    _state_bytes: int | None = None

    def enter(self, need: str) -> None:
        """Count a call of a function of ``need``. Raises OutOfBounds."""
        self._count(1)
        if need not in self.needs:
            raise OutOfBounds(Failure("needs", f"it calls what its needs do not name: {need}"))

    def infer(self, values: Numbers, shape: Sequence[int]) -> Reply:
        """The model's answers to windows of this shape, or why there are none.

        Each window counts as a call of the host. Raises OutOfBounds.
        """
        try:
            windows = shaped(values, shape)
        except BadInput as error:
            return _words(error)
        self._count(len(windows) - 1)
        try:
            answer: Reply = checked(self.model(windows))
        except BadInput as error:
            answer = _words(error)
        self.answers.append(answer)
        return answer

    def _count(self, calls: int) -> None:
        """Count calls of the host. Raises OutOfBounds."""
        self._calls += calls
        if self._calls > self.limits.host_calls:
            rule = f"more than {self.limits.host_calls:,} calls of the host (limits.host_calls)"
            raise OutOfBounds(Failure("host_calls", rule))

    def emit(self, kind: str, text: str) -> str | None:
        """Keep an event; why not, in words."""
        self._event_bytes += len(kind.encode()) + len(text.encode())
        if len(self.events) >= self.limits.events:
            return self._fail("events", f"more than {self.limits.events} events of one call")
        if self._event_bytes > self.limits.event_bytes:
            rule = f"{self._event_bytes:,} bytes of events; {self.limits.event_bytes:,} are allowed"
            return self._fail("events", rule)
        try:
            data = data_of(text)
        except ValueError as error:
            return self._fail("event", f"the data of its event {plain(kind, 40)}: {error}")
        if rule := why_unfit(kind, data) or self.schemas.why_unfit(kind, data):
            return self._fail("event", rule)
        self.events.append(FunctionEvent(kind, data))
        return None

    def put(self, key: str, value: str) -> str | None:
        """Remember a value; why not, in words."""
        old = self.state.get(key)
        before = self._bytes() - (_size(key, old) if old is not None else 0)
        after = before + _size(key, value)
        if after > self.limits.state_bytes:
            rule = f"its state would have {after:,} bytes; {self.limits.state_bytes:,} are allowed"
            return self._fail("state", rule)
        self.state[key], self._state_bytes = value, after
        return None

    def drop(self, key: str) -> None:
        """Forget a value."""
        if key in self.state:
            self._state_bytes = self._bytes() - _size(key, self.state.pop(key))

    def log(self, level: str, text: str) -> None:
        """Keep a line; only the first few, and count the others."""
        if len(self.lines) < _MOST_LINES:
            self.lines.append((level if level in LEVELS else "info", plain(text, _MOST_TEXT)))
        else:
            self.unsaid += 1

    def _bytes(self) -> int:
        if self._state_bytes is None:
            self._state_bytes = _BRACES + sum(
                _size(key, value) for key, value in self.state.items()
            )
        return self._state_bytes

    def _fail(self, cause: str, text: str) -> str:
        self.failure = self.failure or Failure(cause, text)
        return text


def _words(error: BadInput) -> str:
    return plain(f"{error.value} {error.rule}".strip())


_BRACES, _BETWEEN = 2, 4


def _size(key: str, value: str) -> int:
    """Bytes of one that is remembered, as it is stored: JSON in ASCII, which escapes."""
    return len(json.dumps(key)) + len(json.dumps(value)) + _BETWEEN


_Callback = Any
_NOTHING = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(0)


class Imports:
    """The imports of one function's component, whose ``call`` is set before each call."""

    def __init__(self, engine: wasmtime.Engine, interfaces: frozenset[str]) -> None:
        self.call: Call | None = None
        self.linker, self._kept = Linker(engine), list[_Callback]()
        serving: dict[str, Callable[[Call, Any, Any], None]] = {
            "emit": _emit, "get": _get, "put": _put, "drop": _drop, "log": _log,
            "infer": _infer, "at": _at,
        }  # fmt: skip
        named = {inside: (need, names) for need, (inside, names) in NEEDS.items()}
        with self.linker.root() as root:
            for name in interfaces:
                need, functions = named.get(name, ("", ("at",) if name == "watching" else ()))
                with root.add_instance(interface(name)) as instance:
                    for function in functions:
                        self._add(instance, function, need, serving[function])

    def _add(
        self, instance: Any, name: str, need: str, serve: Callable[[Call, Any, Any], None]
    ) -> None:
        def call_of(_data: Any, _context: Any, _type: Any, given: Any, _n: Any, into: Any,
                     _m: Any) -> int:  # fmt: skip
            call = self.call
            try:
                if call is None:
                    raise OutOfBounds(Failure("needs", f"it calls {name} outside of a call"))
                if need:
                    call.enter(need)
                serve(call, given, into)
                return 0
            except BaseException as error:  # nothing may be raised into wasmtime
                failure = error.failure if isinstance(error, OutOfBounds) else None
                if call is not None:
                    call.failure = call.failure or failure or Failure("trap", repr(error)[:200])
                trap = wasmtime.WasmtimeError(str(error))._consume()
                return ctypes.cast(trap, ctypes.c_void_p).value or 0

        callback = ffi.wasmtime_component_func_callback_t(call_of)
        self._kept.append(callback)
        text = name.encode()
        error = ffi.wasmtime_component_linker_instance_add_func(
            instance.ptr(), ctypes.create_string_buffer(text), len(text), callback, None, _NOTHING
        )
        if error:
            raise wasmtime.WasmtimeError._from_ptr(error)


def _emit(call: Call, given: Any, into: Any) -> None:
    _result(into[0], call.emit(*texts(given, 2)))


def _put(call: Call, given: Any, into: Any) -> None:
    _result(into[0], call.put(*texts(given, 2)))


def _get(call: Call, given: Any, into: Any) -> None:
    found = call.state.get(*texts(given, 1))
    into[0].kind = ffi.WASMTIME_COMPONENT_OPTION
    into[0].of.option = None if found is None else _new_string(found)


def _drop(call: Call, given: Any, _into: Any) -> None:
    call.drop(*texts(given, 1))


def _log(call: Call, given: Any, _into: Any) -> None:
    call.log(*texts(given, 2))


def _infer(call: Call, given: Any, into: Any) -> None:
    answer = call.infer(read_numbers(given[0]), numbers(given[1]))
    if isinstance(answer, str):
        return _result(into[0], answer)
    told = ffi.wasmtime_component_val_t()
    write_numbers(told, answer)
    into[0].kind = ffi.WASMTIME_COMPONENT_RESULT
    into[0].of.result.is_ok = True
    into[0].of.result.val = ffi.wasmtime_component_val_new(ctypes.byref(told))
    return None


def _at(call: Call, given: Any, _into: Any) -> None:
    call.line = given[0].of.u32


def _result(value: Any, why: str | None) -> None:
    value.kind = ffi.WASMTIME_COMPONENT_RESULT
    value.of.result.is_ok = why is None
    value.of.result.val = None if why is None else _new_string(why)


def _new_string(text: str) -> Any:
    value = ffi.wasmtime_component_val_t()
    write_string(value, text)
    return ffi.wasmtime_component_val_new(ctypes.byref(value))
