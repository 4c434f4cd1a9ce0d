"""A function of any form, open for calls on this machine: what ``fl-fn`` asks of one."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from fl_common.errors import InvalidData
from fl_common.functions.asked import Model, no_model
from fl_common.functions.cases import OpenFunction, State
from fl_common.functions.classes import Function, Remembering
from fl_common.functions.events import Event, Predicted
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.key import own_cache
from fl_common.functions.sandbox.outcome import Failure, Outcome
from fl_common.functions.specification import FUNCTION_FILE, read_function
from fl_common.functions.specification.class_form import ClassFunction
from fl_common.functions.trial import Shaping

_MEMORY = "memory"
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Opened:
    """A function under its folder's ``name``, and its ``limits``; None of an installed class.

    ``kinds`` are those of the events that it is given, ``labels`` those of the model that it is
    made for, or empty. ``tasks`` are those whose predictions or windows it asks for; ``*``: any.
    """

    name: str
    function: OpenFunction
    limits: Limits | None
    kinds: tuple[str, ...]
    labels: tuple[str, ...]
    tasks: frozenset[str]


def open_folder(folder: Path, output: Console | None = None) -> Opened:
    """The function in ``folder``; ``output`` is told of what takes long.

    Raises:
        InvalidData: it can't be read or made.
        InvalidConfiguration: the runner of functions in Python is missing here.
        OSError: what was compiled can't be written.
    """
    check_folder(folder)
    spec = read_function(_content(folder / FUNCTION_FILE))
    name = folder.resolve().name
    if isinstance(spec, ClassFunction):
        made = _Installed(spec.make({spec.class_name}))
        return Opened(name, made, None, ("prediction",), spec.labels, frozenset("*"))
    whole = FunctionFolder.read(folder)
    from fl_common.functions.sandbox.open import open_function  # slow to import

    place = own_cache()
    if output is not None and not any(place.glob("*")):
        output.print("functions are compiled for this machine, once: about half a minute")
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    function: OpenFunction = open_function(whole, place)
    if spec.world == "shape":
        function = Shaping(function)
    kinds = tuple(dict.fromkeys(kind for kind, _ in spec.on))
    tasks = frozenset(of for kind, of in spec.on if kind in ("prediction", "window"))
    return Opened(name, function, spec.limits, kinds, spec.labels, tasks)


def check_folder(folder: Path) -> None:
    """Raise InvalidData if there is no such folder."""
    if not folder.is_dir():
        remedy = f"Make one with: fl-fn new {folder.name}"
        raise InvalidData(f"{folder}", "is no folder of a function", remedy)


class _Installed:
    """An installed class: it is trusted, runs in this process, and has no fuel."""

    def __init__(self, function: Function) -> None:
        self._function = function
        self._begins = self._remembered({})

    def call(self, event: Event, state: State, _model: Model = no_model) -> Outcome:
        """See ``OpenFunction``."""
        began = time.perf_counter()
        if not isinstance(event, Predicted):
            failure = Failure("error", "an installed class is given predictions alone")
            return Outcome((), state, (), failure, 0, 0.0)
        try:
            if isinstance(self._function, Remembering):
                self._function.remember(json.loads(state.get(_MEMORY, self._begins[_MEMORY])))
            events, after = tuple(self._function(event)), self._remembered(state)
        except Exception as error:  # anybody's code
            failure = Failure("error", f"{type(error).__name__}: {error}")
            return Outcome((), state, (), failure, 0, time.perf_counter() - began)
        return Outcome(events, after, (), None, 0, time.perf_counter() - began)

    def _remembered(self, before: State) -> State:
        if not isinstance(self._function, Remembering):
            return before
        return {_MEMORY: json.dumps(self._function.remembered())}


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InvalidData(
            f"{path}", f"can't be read ({error.strerror})", "Make one with: fl-fn new NAME"
        ) from None
