"""A function in a sandbox: an instance of its program, called within limits, and made anew.

A trap ends an instance for good. So the next call has a new one, which takes a millisecond, and
nothing that counts is kept in it: what a function remembers is outside.
"""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from ctypes import byref
from dataclasses import dataclass, replace
from typing import Any

import wasmtime
from wasmtime import _ffi as ffi
from wasmtime.component import Instance

from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, no_model, repeated
from fl_common.functions.events import Event, Window
from fl_common.functions.found import plain
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.imports import Call, Imports
from fl_common.functions.sandbox.machine_code import engine, ticker
from fl_common.functions.sandbox.outcome import Failure, Outcome
from fl_common.functions.sandbox.program import Program
from fl_common.functions.sandbox.refusals import check_syntax, refused
from fl_common.functions.sandbox.values import (
    read_string,
    read_window,
    write_event,
    write_string,
    write_window,
)
from fl_common.functions.specification.schema import EventSchemas

_CALLS_OF_AN_INSTANCE = 100_000
_START = 20
"""How much more fuel and time making an instance may take than a call."""
_MOST_MEMORIES = 4
_ONE_MORE = "memory count too high"
"""Of an instance, each within the limit: QuickJS by jco has three, of which two are small."""
_TRAPS = {
    "all fuel consumed": "fuel",
    "interrupt": "time",
    "call stack exhausted": "stack",
}
_WHERE = re.compile(r"\(([^()\s]+):(\d+)\)$")
_Write = Callable[[Any], None]


@dataclass(frozen=True)
class Manner:
    """How a function is run: with which settings (JSON), needs, events and limits."""

    settings: str
    needs: frozenset[str]
    schemas: EventSchemas
    limits: Limits


class SandboxedFunction:
    """The function of ``program``; one thread may call it.

    Raises:
        InvalidData: it can't be made: what it raised, with the author's line.
    """

    def __init__(self, program: Program, manner: Manner) -> None:
        self.program, self._manner = program, manner
        self._imports = Imports(engine(), program.interfaces)
        self._made: _Made | None = None
        self._calls, self._memories = 0, 1
        self.instances: Counter[str] = Counter()
        """How many were made, by why: ``start``, ``calls``, ``window``, or a failure's cause."""
        self._because = "start"
        self._instance()

    def call(self, event: Event, state: Mapping[str, str], model: Model = no_model) -> Outcome:
        """Give it an event; ``state`` is what it remembers of the event's stream.

        ``model`` answers what it asks.
        """
        return self._called("handle", lambda value: write_event(value, event), state, model)[1]

    def transform(self, window: Window) -> tuple[Window | None, Outcome]:
        """What a shape makes of a window; None: it failed.

        Each window has a new instance. An instance keeps its memory from call to call: what one
        window left there could come into the next one's values, and a shape would not be pure.
        """
        made = self._called("transform", lambda value: write_window(value, window), {})
        self._end("window")
        return made

    def _called(
        self, name: str, write: _Write, state: Mapping[str, str], model: Model = no_model
    ) -> tuple[Window | None, Outcome]:
        call, began = self._begun(state, model), time.perf_counter()
        made = self._instance()
        window, failure, used = made.run(name, write, call)
        if failure is not None and (failure.cause == "memory" or made.is_dead):
            again = self._begun(state, repeated(call.answers))
            failure = self._located(failure, name, write, again)
            self._end(failure.cause)
        seconds = time.perf_counter() - began
        if failure is not None:
            before = dict(state)
            return None, Outcome((), before, call.lines, failure, used, seconds, call.unsaid)
        found = call.events, call.state, call.lines
        return window, Outcome(*found, None, used, seconds, call.unsaid)

    def _begun(self, state: Mapping[str, str], model: Model = no_model) -> Call:
        manner = self._manner
        return Call(manner.limits, manner.needs, manner.schemas, dict(state), model)

    def _instance(self) -> "_Made":
        self._calls += 1
        if self._calls > _CALLS_OF_AN_INSTANCE:
            self._end("calls")
        if self._made is None:
            self.instances[self._because] += 1
            self._made = self._make(self._begun({}))
            self._calls = 0
        return self._made

    def _make(self, call: Call, *, watched: bool = False) -> "_Made":
        """A new instance, whose memories have equal parts of what it may use."""
        given = self.program, self._imports, self._manner, call, self._memories
        try:
            return _Made(*given, watched=watched)
        except InvalidData as error:
            if _ONE_MORE not in error.rule or self._memories == _MOST_MEMORIES:
                raise
        self._memories += 1
        return self._make(call, watched=watched)

    def _end(self, because: str) -> None:
        self._made, self._because = None, because

    def _located(self, failure: Failure, name: str, write: _Write, call: Call) -> Failure:
        """Find the author's line of a trap in source text: run it again, and watch the lines."""
        if self.program.source is None or failure.line is not None:
            return failure
        try:
            made = self._make(call, watched=True)
            made.run(name, write, call)
        except InvalidData:
            return failure
        if call.line is None:
            return failure
        where = f" ({self.program.name}:{call.line})"
        return replace(failure, line=call.line, text=failure.text + where)


class _Made:
    """One instance, in a store of its own, with so many ``memories`` at most."""

    def __init__(
        self,
        program: Program,
        imports: Imports,
        manner: Manner,
        call: Call,
        memories: int,
        *,
        watched: bool = False,
    ) -> None:
        self._imports, self._limits = imports, manner.limits
        self._store = wasmtime.Store(engine())
        self._store.set_limits(
            memory_size=(manner.limits.memory_mb << 20) // memories,
            table_elements=20_000, instances=200, tables=50, memories=memories,
        )  # fmt: skip
        self.is_dead = False
        self._refuel(_START)
        try:
            self._inside: Instance = imports.linker.instantiate(self._store, program.component)
        except wasmtime.WasmtimeError as error:
            raise refused(program.name, _reason(error)) from None
        self._functions: dict[str, Any] = {}
        if program.source is not None:
            try:
                self._start(program, "load", call, program.name, program.source)
            except InvalidData:
                check_syntax(program.name, program.source)
                raise
            if watched:
                self._run("watch", (), call)
        self._start(program, "configure", call, manner.settings)

    def run(
        self, name: str, write: _Write, call: Call
    ) -> tuple[Window | None, Failure | None, int]:
        """Call an export with one argument; what it returned, why it failed, the fuel it took."""
        self._refuel(1)
        before = self._store.get_fuel()
        window, failure = self._run(name, (write,), call)
        return window, failure, before - self._store.get_fuel()

    def _start(self, program: Program, name: str, call: Call, *strings: str) -> None:
        self._refuel(_START)
        writes = tuple(_writing(text) for text in strings)
        failure = self._run(name, writes, call)[1]
        if failure is not None:
            raise refused(program.name, failure.text)

    def _refuel(self, times: int) -> None:
        self._store.set_fuel(times * self._limits.fuel)
        milliseconds = times * self._limits.milliseconds
        self._store.set_epoch_deadline(ticker().ticks(milliseconds))

    def _run(
        self, name: str, writes: tuple[_Write, ...], call: Call
    ) -> tuple[Window | None, Failure | None]:
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = self._inside.get_func(self._store, name)
        if function is None:
            return None, Failure("trap", f"it exports no {name}")
        given = (ffi.wasmtime_component_val_t * len(writes))()
        returned = ffi.wasmtime_component_val_t()
        has_result = name != "watch"
        self._imports.call = call
        try:
            for value, write in zip(given, writes, strict=True):
                write(value)
            error = ffi.wasmtime_component_func_call(
                byref(function._func), self._store._context(), given, len(writes),
                byref(returned) if has_result else None, int(has_result),
            )  # fmt: skip
            if error:
                self.is_dead = True
                return None, call.failure or _reason(wasmtime.WasmtimeError._from_ptr(error))
            window, failure = _result(returned) if has_result else (None, None)
            return window, _both(call.failure, failure)
        finally:
            self._imports.call = None
            for value in (*given, returned):
                ffi.wasmtime_component_val_delete(byref(value))


def _both(of_call: Failure | None, told: Failure | None) -> Failure | None:
    """The limit that a call broke, with the line that the function says of it."""
    if of_call is None or told is None or told.line is None:
        return of_call or told
    found = _WHERE.search(told.text)
    return replace(of_call, line=told.line, text=f"{of_call.text} {found[0] if found else ''}")


def _writing(text: str) -> _Write:
    return lambda value: write_string(value, text)


def _result(value: Any) -> tuple[Window | None, Failure | None]:
    """The window in a ``result<window, string>``, or what failed; none in ``result<_, string>``."""
    result = value.of.result
    if not result.is_ok:
        return None, _told(read_string(result.val.contents))
    return (read_window(result.val.contents), None) if result.val else (None, None)


def _told(text: str) -> Failure:
    """What a function itself says: its words, and the line in them."""
    found = _WHERE.search(text)
    cause = "memory" if text.startswith("MemoryError") else "error"
    return Failure(cause, plain(text), int(found[2]) if found else None)


def _reason(error: wasmtime.WasmtimeError) -> Failure:
    """What wasmtime says of a trap."""
    text = str(error)
    for words, cause in _TRAPS.items():
        if words in text:
            return Failure(cause, _RULES[cause])
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    last = lines[-1].removeprefix("wasm trap: ") if lines else "a trap"
    stub = next((one for one in _STUBS if one in text), None)
    if stub is not None:
        return Failure("trap", f"it asks for {_STUBS[stub]}, which no function has")
    return Failure("trap", plain(re.sub(r"^\d+: ", "", last), 200))


_RULES = {
    "fuel": "it used up its fuel (limits.fuel)",
    "time": "it took longer than limits.milliseconds",
    "stack": "it calls itself too deeply",
}
_STUBS = {
    "clock_time_get": "the clock",
    "path_open": "a file",
    "path_filestat_get": "a file",
    "fd_write": "a file",
    "fd_read": "a file",
    "random_get": "random numbers",
    "sock_": "a socket",
    "proc_exit": "an end of its process",
}
"""Functions of WASI that the runner has in name only, by which a trap in one is recognised."""
