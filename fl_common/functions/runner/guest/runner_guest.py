"""The program inside the runner component: runs the source text of a function, whoever wrote it.

It is built by ``make function-runner`` and runs nowhere else. What it can't do is WebAssembly's
matter; here is only what makes errors readable: an exception becomes a text with its line, and what
is not there says so.
"""

import builtins
import json
import sys

# What a function may import: nothing is read from a disk later.
import abc, array, base64, bisect, binascii, calendar, cmath, collections, collections.abc  # noqa: E401
import contextlib, copy, dataclasses, datetime, decimal, enum, fractions, functools  # noqa: E401
import hashlib, heapq, itertools, math, numbers, operator, re, statistics, string  # noqa: E401
import struct, textwrap, time, types, typing, unicodedata, zlib, json.decoder  # noqa: E401
import encodings.idna, encodings.ascii, encodings.latin_1, linecache, traceback  # noqa: E401

import wit_world
from componentize_py_types import Err
from wit_world.imports import events, logs, model, state, watching

for _pattern in (".",):
    re.compile(_pattern)
"".encode("ascii"), "".encode("latin-1"), "".encode("utf-16-le")
datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
datetime.datetime.fromisoformat("2000-01-01T00:00:00+00:00")
statistics.fmean([1.0]), statistics.stdev([1.0, 2.0]), decimal.Decimal("1.0") + 1

sys.path_importer_cache.clear()  # what is left of file systems is in no snapshot

_MOST_TEXT = 500
_EACH_LINE, _SOME = 500, 64
_MODULES = {
    "abc", "array", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "contextlib",
    "copy", "dataclasses", "datetime", "decimal", "enum", "fractions", "functools", "hashlib",
    "heapq", "itertools", "json", "math", "numbers", "operator", "re", "statistics", "string",
    "struct", "textwrap", "types", "typing", "unicodedata", "zlib",
}


class _NoOther:
    """Finds no module: all that can be imported is there already."""

    def find_spec(self, name, path=None, target=None):
        raise ModuleNotFoundError(
            f"there is no module {name} in a function; it can import {', '.join(sorted(_MODULES))}"
        )


class _Lines:
    """What is printed is logged, line by line."""

    def __init__(self, level):
        self._level, self._begun = level, ""

    def write(self, text):
        *lines, self._begun = (self._begun + str(text)).split("\n")
        self._begun = self._begun[:_MOST_TEXT]
        for line in lines:
            _log(line, self._level)
        return len(text)

    def flush(self):
        if self._begun:
            _log(self._begun, self._level)
            self._begun = ""


class Tick:
    """A time at which nothing need have happened."""

    def __init__(self, time_ns):
        self.time_ns = time_ns


def _no_file(*_, **__):
    raise PermissionError("a function has no files")


def _no_clock(*_, **__):
    raise PermissionError("a function has no clock; its events have their own time")


for _name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns",
              "process_time", "process_time_ns", "thread_time", "sleep", "clock_gettime"):
    if hasattr(time, _name):
        setattr(time, _name, _no_clock)


def _emit(kind, data=None):
    data = json.dumps({} if data is None else data, allow_nan=False)
    _taken(events.emit, _word("the kind of an event", kind), data)


def _get(key, default=None):
    found = state.get(_word("a key", key))
    return default if found is None else json.loads(found)


def _put(key, value):
    _taken(state.put, _word("a key", key), json.dumps(value, allow_nan=False))


def _drop(key):
    state.drop(_word("a key", key))


def _infer(values, shape):
    sizes = [operator.index(size) for size in shape]
    if not all(0 <= size < 1 << 32 for size in sizes):
        raise ValueError(f"the shape {sizes} is none")
    return _taken(model.infer, [float(one) for one in values], sizes)


def _taken(ask, *arguments):
    try:
        return ask(*arguments)
    except Err as error:
        raise ValueError(error.value) from None


def _word(what, text):
    """A text that can be given out: a half of a character is none, and would end the instance."""
    if not isinstance(text, str):
        raise TypeError(f"{what} must be a text, and is a {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what}, {ascii(text[:40])}, has half of a character") from None
    return text


def _whole(text):
    """The text with a question mark for each half of a character."""
    return text.encode("utf-8", "replace").decode()


def _log(text, level="info"):
    logs.log(_whole(str(level)), _whole(str(text)[:_MOST_TEXT]))


class _Function:
    """The one function of this instance."""

    def __init__(self):
        self._name, self._code, self._scope, self._lines = "", None, {}, 0

    def load(self, name, source):
        self._name = name
        with self._told():
            self._code = compile(source, name, "exec", dont_inherit=True)

    def watch(self):
        sys.settrace(self._trace)

    def configure(self, settings):
        sys.stdout, sys.stderr = _Lines("info"), _Lines("warning")
        sys.meta_path[:], sys.path[:], sys.path_hooks[:] = [_NoOther()], [], []
        builtins.open = builtins.input = _no_file
        self._scope = {
            "__name__": self._name.removesuffix(".py"), "__builtins__": builtins,
            "settings": json.loads(settings), "emit": _emit, "get": _get, "put": _put,
            "drop": _drop, "log": _log, "infer": _infer,
        }
        with self._told():
            exec(self._code, self._scope)

    def handle(self, event):
        value = event.value
        if isinstance(value, int):
            value = Tick(value)
        value.type = type(event).__name__.removeprefix("Event_").lower()
        with self._told():
            self._own("handle", "event")(value)

    def transform(self, window):
        with self._told():
            found = self._own("transform", "window")(window)
            found.values = [float(one) for one in found.values]
        return found

    def _own(self, name, argument):
        function = self._scope.get(name)
        if not callable(function):
            raise NameError(f"{self._name} defines no {name}({argument})")
        return function

    @contextlib.contextmanager
    def _told(self):
        """Tell what is raised in words, with the author's line, and go on."""
        try:
            yield
            sys.stdout.flush() if isinstance(sys.stdout, _Lines) else None
        except Err:
            raise
        except BaseException as error:
            words = self._words(error)
            del error
            raise Err(words) from None

    def _words(self, error):
        line = getattr(error, "lineno", None) if isinstance(error, SyntaxError) else None
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename == self._name:
                line = trace.tb_lineno
            trace = trace.tb_next
        text = error.msg if isinstance(error, SyntaxError) else str(error)
        where = f" ({self._name}:{line})" if line else ""
        return _whole(f"{type(error).__name__}: {' '.join(text.split())[:_MOST_TEXT]}{where}")

    def _trace(self, frame, event, _):
        if frame.f_code.co_filename != self._name:
            return None
        self._lines += 1
        if self._lines < _EACH_LINE or not self._lines % _SOME:
            watching.at(frame.f_lineno)
        return self._trace


_FUNCTION = _Function()


class WitWorld(wit_world.WitWorld):
    """The exports of the component, of which each call has an object of its own."""

    def load(self, name, source):
        _FUNCTION.load(name, source)

    def watch(self):
        _FUNCTION.watch()

    def configure(self, settings):
        _FUNCTION.configure(settings)

    def handle(self, event):
        _FUNCTION.handle(event)

    def transform(self, window):
        return _FUNCTION.transform(window)
