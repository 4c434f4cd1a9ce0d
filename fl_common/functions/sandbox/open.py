"""Make a function that runs in a sandbox from its folder."""

from pathlib import Path

from fl_common.errors import InvalidData
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import runner_content
from fl_common.functions.sandbox.function import Manner, SandboxedFunction
from fl_common.functions.sandbox.machine_code import load
from fl_common.functions.sandbox.program import (
    Program,
    check_exports,
    check_needs,
    program_of,
)
from fl_common.functions.specification.sandboxed import SandboxedSpec


def open_function(folder: FunctionFolder, machine_code: Path) -> SandboxedFunction:
    """The function in ``folder``, whose machine code is kept in ``machine_code``.

    Raises:
        InvalidData: it can't be compiled or made, or its component asks for more than its needs.
        InvalidConfiguration: the runner is missing here.
        OSError: the machine code can't be written.
    """
    return function_of(folder.spec, program_in(folder, machine_code))


def program_in(folder: FunctionFolder, machine_code: Path) -> Program:
    """The program of a folder. Raises as ``open_function``."""
    source = folder.source
    content = folder.content if source is None else runner_content()
    program = program_of(content, machine_code, source, folder.spec.file)
    check_program(folder.spec, program)
    return program


def program_at(spec: SandboxedSpec, source: str | None, machine_code: Path) -> Program:
    """The program of ``source`` or a component, whose machine code is the file ``machine_code``.

    Raises:
        InvalidData: it is not there, or its component asks for more than its needs.
    """
    component = load(machine_code)
    if component is None:
        raise InvalidData(
            "the machine code of a function", "is not there, or was altered", "It is made again"
        )
    program = Program(component, source, spec.file)
    check_program(spec, program)
    return program


def check_program(spec: SandboxedSpec, program: Program) -> None:
    """Raise InvalidData if a component is not as its ``spec`` says; the runner is."""
    if program.source is None:
        check_needs(program.component, sorted(spec.needs))
        check_exports(program.component, spec.called)


def function_of(spec: SandboxedSpec, program: Program) -> SandboxedFunction:
    """Make the function of ``program``.

    Raises:
        InvalidData: it can't be made: what it raised, with the author's line.
    """
    return SandboxedFunction(program, Manner(spec.settings, spec.needs, spec.schemas, spec.limits))
