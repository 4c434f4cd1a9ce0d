"""Functions turn what a box sees into events: an installed class, source text, or a component.

Three forms, one contract (``contract.wit``): a class is called with a ``Predicted``, what runs in a
sandbox with any ``Event``; both give ``FunctionEvent``. The box's host, the repository's gates and
``fl-fn`` share what is here:

- ``events``: ``Predicted``, ``Reading``, ``Window``, ``Happening``, ``Tick``; ``event_of`` and
  ``event_fields`` read and write them as JSON (lines of ``cases.jsonl``).
- ``specification.read_function(content)`` reads ``function.json`` of both formats, strictly: a
  ``ClassFunction`` or a ``SandboxedSpec`` (form, file, world, on, needs, schemas, settings,
  limits). It needs no wasmtime.
- ``folder.FunctionFolder.read(path)`` reads a function's folder: its specification and its file.
- ``sandbox.open.open_function(folder, machine_code)`` gives a ``SandboxedFunction``, compiled into
  the folder ``machine_code`` if need be (the Python runner: half a minute, once). ``call(event,
  state)`` gives an ``Outcome``: events, the state after it (keep it, and give it to the next call),
  lines of log, fuel, seconds, and a ``failure`` (cause, text, line) or None.
  ``transform(window)`` is that of a shape. It is slow to import: do so where it is needed.
- ``sandbox.program``: ``imports_of``, ``needs_of``, ``exports_of`` read a component's wall off.
- ``runner.runner_content()``: the shared runner for source in Python, or what command builds it.
- ``classes``: the protocol of an installed class, ``fixed_predictions`` and ``events_of``.
"""

from fl_common.functions.classes import Function, Remembering, events_of, fixed_predictions
from fl_common.functions.events import FunctionEvent, Predicted
from fl_common.functions.specification import FUNCTION_FILE, read_function
from fl_common.functions.specification.class_form import ClassFunction

__all__ = [
    "FUNCTION_FILE",
    "ClassFunction",
    "Function",
    "FunctionEvent",
    "Predicted",
    "Remembering",
    "events_of",
    "fixed_predictions",
    "read_function",
]
