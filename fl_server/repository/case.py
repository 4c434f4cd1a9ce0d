"""A component that is to be judged, with everything that its gates look at."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

from fl_common.components.description import Component, Kind
from fl_common.configuration.rules import Config
from fl_common.errors import InvalidData
from fl_common.functions.specification import FUNCTION_FILE, read_function
from fl_common.functions.specification.sandboxed import SandboxedSpec
from fl_common.functions.trial import Trial, try_function
from fl_common.programs.limited_child import ChildLimits
from fl_common.vocabulary import NamedArrays, Parameters, Task
from fl_server.repository.gates.device import DeviceClass
from fl_server.repository.gates.model import golden_inputs
from fl_server.repository.origin import is_imported
from fl_server.rounds.counts import NoisedCounts
from models.onnx.example import EXAMPLE, Example


@dataclass(frozen=True)
class Evidence:
    """Evidence for gates besides the component; None where it is not available.

    ``parameters`` are the run's, from its checkpoint; the counts are those of one federated
    evaluation of candidate and production; ``clock`` returns seconds.
    """

    parameters: Parameters | None
    candidate: NoisedCounts | None
    production: NoisedCounts | None
    device: DeviceClass
    clock: Callable[[], float]


@dataclass(frozen=True)
class Case:
    """One component to be checked: its files by path, and its predecessor in production.

    The files are copies, proved by their digests, that nobody else can write.
    ``in_production`` gives the digest in production for a kind and a name.
    """

    component: Component
    files: Mapping[str, Path]
    production: Component | None
    evidence: Evidence
    settings: Config
    in_production: Callable[[str, str], str | None]

    @property
    def is_function(self) -> bool:
        """Whether it is checked by its events for fixed predictions."""
        return self.component.kind is Kind.FUNCTION

    @property
    def is_imported(self) -> bool:
        """Whether it is a third-party model, with an example instead of a run."""
        return is_imported(self.component)

    @cached_property
    def model(self) -> bytes:
        """The content of its one model file."""
        return self._one_file("an .onnx file", lambda path: path.endswith(".onnx")).read_bytes()

    @property
    def function(self) -> Path:
        """Its function.json."""
        return self._one_file(FUNCTION_FILE, lambda path: path == FUNCTION_FILE)

    @property
    def task(self) -> Task | None:
        """The task of a run's model; None of another component."""
        described = self.component.description.get("definition")
        return Task.from_fields(described["task"]) if described else None

    @property
    def limits(self) -> ChildLimits:
        """The limits of a process that runs its model or function."""
        return ChildLimits(**self.settings["trial"])

    @cached_property
    def spec(self) -> SandboxedSpec | None:
        """What a function in a sandbox is; None of another component."""
        found = read_function(self.function.read_bytes()) if self.is_function else None
        return found if isinstance(found, SandboxedSpec) else None

    @cached_property
    def tried(self) -> Trial | InvalidData:
        """What came of a sandboxed function's cases, or why they could not be tried."""
        return self.try_again()

    def try_again(self) -> Trial | InvalidData:
        """Try a sandboxed function's cases in a new process."""
        with TemporaryDirectory(prefix="fl-repo-") as place:
            for path, file in self.files.items():
                if "/" not in path:
                    shutil.copyfile(file, Path(place, path))
            try:
                return try_function(Path(place), self.limits)
            except InvalidData as error:  # it names the files in this place, which is gone soon
                return InvalidData(error.value.replace(f"{place}/", ""), error.rule, error.remedy)

    @cached_property
    def example(self) -> Example:
        """Its fixed inputs and outputs."""
        file = self._one_file(EXAMPLE, lambda path: path == EXAMPLE)
        return Example.read(self.model, file)

    @property
    def fixed_inputs(self) -> NamedArrays:
        """The inputs that its gates run its model on."""
        if self.is_imported:
            return Example.inputs_in(self._one_file(EXAMPLE, lambda path: path == EXAMPLE))
        _, windows_N = golden_inputs(self.component.description)
        return {"values": windows_N}

    def _one_file(self, what: str, holds: Callable[[str], bool]) -> Path:
        found = [file for path, file in self.files.items() if holds(path)]
        if len(found) != 1:
            raise InvalidData(str(self.component), f"has not one {what}", "Add it with one")
        return found[0]
