"""What a box's owner grants to functions in sandboxes, and functions that keep within it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fl_client.functions.host import FunctionSource, SandboxedSource
from fl_common.configuration.kinds import constructed
from fl_common.configuration.rules import require_fields, whole
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import RUNNER, pin, runner_content
from fl_common.functions.specification.sandboxed import FORMS, NEEDS, SandboxedSpec
from fl_common.vocabulary import Task

_OF_A_TASK = ("prediction", "window")
_BESIDE_MB = 256
"""Of the process: wasmtime, and the machine code of the Python runner."""
_OF_EACH_MB = 16


@dataclass(frozen=True)
class Grant:
    """Which ``forms`` and ``needs``, how much ``fuel`` and memory, and how many ``functions``.

    Raises:
        InvalidConfiguration: a value that can't be granted.
    """

    forms: tuple[str, ...]
    needs: tuple[str, ...]
    fuel: int
    memory_mb: int
    functions: int

    def __post_init__(self) -> None:
        sizes = {name: whole(1) for name in ("fuel", "memory_mb", "functions")}
        require_fields("components.sandbox", self, **sizes)
        for name, known in (("forms", tuple(FORMS)), ("needs", NEEDS)):
            if unknown := [one for one in getattr(self, name) if one not in known]:
                raise InvalidConfiguration(
                    f"components.sandbox.{name}={', '.join(map(str, unknown))}",
                    f"must be among {', '.join(known)}",
                    "Take it out",
                )

    @property
    def megabytes(self) -> float:
        """Memory of the functions' process for all that may run."""
        return self.megabytes_of(self.functions)

    def megabytes_of(self, functions: int) -> float:
        """Memory of a process for so many."""
        return _BESIDE_MB + functions * (self.memory_mb + _OF_EACH_MB)


def grant_of(node: Mapping[str, Any]) -> Grant | None:
    """What ``components.sandbox`` grants; None: no function in a sandbox.

    Raises:
        InvalidConfiguration: it is no section, or a value that can't be granted.
    """
    given = node["sandbox"]
    if given is None:
        return None
    names = ("forms", "needs")
    if not isinstance(given, Mapping) or not all(_is_list(given.get(name)) for name in names):
        raise InvalidConfiguration(
            f"components.sandbox={given}",
            "must be null, or a section whose forms and needs are lists",
            "See: What a box grants, in docs/reference/functions.md",
        )
    lists = {name: tuple(given.get(name) or ()) for name in names}
    sizes = {name: _number(value) for name, value in given.items() if name not in lists}
    return constructed("components.sandbox", Grant, {**sizes, **lists})


def _is_list(value: object) -> bool:
    is_one = isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
    return value is None or is_one


def _number(value: Any) -> Any:
    """Of a file, where a value that is null as shipped is a text."""
    is_whole = isinstance(value, str) and value.isascii() and value.isdecimal()
    return int(value) if is_whole else value


@dataclass(frozen=True)
class Sandboxes:
    """The rules for functions in sandboxes on a box.

    A call may take ``seconds`` on it, and ``running`` counts those that run under other names.
    ``world`` is what they are: rules, or shapes.
    """

    grant: Grant | None
    task: Task
    seconds: float
    running: Callable[[str], int]
    world: str = "rule"

    def source(self, name: str, folder: Path) -> FunctionSource:
        """The function in a component's folder, to be run as ``name``.

        Raises:
            InvalidData: it asks for more than is granted, or is for something else.
            InvalidConfiguration: the runner for Python is missing here.
        """
        found = FunctionFolder.read(folder)
        self._check(name, found.spec)
        path, digest = folder / found.spec.file, hashlib.sha256(found.content).hexdigest()
        if found.source is not None:
            path, digest = RUNNER, pin().sha256
            if not RUNNER.is_file():
                runner_content()
        sandboxed = SandboxedSource(name, found.fields, found.source, path, digest)
        asks = frozenset([found.spec.asks]) if found.spec.asks else frozenset[str]()
        return FunctionSource({}, None, sandboxed, found.spec.on, asks)

    def _check(self, name: str, spec: SandboxedSpec) -> None:
        grant = self.grant
        if grant is None:
            raise InvalidData(
                f"a function of the form {spec.form}",
                "runs in a sandbox, and this box grants none",
                "Set components.sandbox, or publish an installed class",
            )
        if spec.form not in grant.forms:
            raise _more(f"form={spec.form}", "forms", ", ".join(grant.forms))
        if more := sorted(spec.needs - {*grant.needs}):
            raise _more(f"needs={', '.join(more)}", "needs", ", ".join(grant.needs))
        most = {"fuel": grant.fuel, "memory_mb": grant.memory_mb}
        granted = replace(spec.limits, **most)
        spec.limits.check_within(granted, "components.sandbox grants")
        in_time = replace(spec.limits, milliseconds=max(1, int(1000 * self.seconds)))
        spec.limits.check_within(in_time, "function_host.seconds allows")
        if self.running(name) >= grant.functions:
            raise _more(f"{name}, one more in a sandbox,", "functions", str(grant.functions))
        self._check_given(spec)

    def _check_given(self, spec: SandboxedSpec) -> None:
        """Raise InvalidData if it asks for what this box does not give."""
        if spec.world != self.world:
            raise InvalidData(f"a {spec.world}", *_ELSEWHERE[spec.world])
        self.check_on(spec.on)
        spec.check_labels(self.task.labels)

    def check_on(self, on: tuple[tuple[str, str], ...]) -> None:
        """Raise InvalidData if it takes events of another task than this box's."""
        for kind, of in on:
            if kind in _OF_A_TASK and of not in ("*", self.task.name):
                raise InvalidData(
                    f"a function for a {kind} of {of}"[:200],
                    f"is not for what this box gives: those of {self.task.name}",
                    f'Publish one with "on": [{{"{kind}": "{self.task.name}"}}], or "*"',
                )


_ELSEWHERE = {
    "shape": (
        "changes windows before the model, and takes no events",
        "Name it in windows.shape, and not in components.functions",
    ),
    "rule": (
        "takes events, and makes no window of a window",
        "Name it in components.functions, and a shape in windows.shape",
    ),
}
"""Why a function of a world does not run in the place of another, and what to do."""


def _more(asked: str, name: str, granted: str) -> InvalidData:
    return InvalidData(
        f"a function with {asked}",
        f"asks for more than components.sandbox.{name} grants ({granted or 'nothing'})",
        "Raise what is granted, or publish it with less",
    )
