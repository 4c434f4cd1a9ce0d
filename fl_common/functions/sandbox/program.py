"""A program that can run in a sandbox: a component, or source text in the shared runner."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wasmtime.component import Component

from fl_common.errors import InvalidData
from fl_common.functions.found import plain
from fl_common.functions.sandbox.imports import NEEDS, PACKAGE, VERSION, interface
from fl_common.functions.sandbox.machine_code import component_of, engine

_OF_EACH = {"types"}
_OWN = {"watching"}


@dataclass(frozen=True)
class Program:
    """Machine code and, where it is the runner's, the author's ``source`` and its file's name."""

    component: Component
    source: str | None = None
    name: str = ""

    @property
    def interfaces(self) -> frozenset[str]:
        """The interfaces of the contract that it imports, by their short names."""
        prefix, suffix = f"{PACKAGE}/", f"@{VERSION}"
        return frozenset(
            name.removeprefix(prefix).removesuffix(suffix) for name in imports_of(self.component)
        )


def imports_of(component: Component) -> list[str]:
    """The names of what a component imports, in order: the wall, as it can be read off."""
    return list(component.type.imports(engine()))


def exports_of(component: Component) -> list[str]:
    """The names of what a component exports."""
    return list(component.type.exports(engine()))


def needs_of(component: Component) -> list[str]:
    """What a component needs, as function.json names it.

    Raises:
        InvalidData: it imports something else than the contract has.
    """
    known = {interface(inside): need for need, (inside, _) in NEEDS.items()}
    others = {interface(name) for name in _OF_EACH}
    imports = imports_of(component)
    if unknown := [name for name in imports if name not in known and name not in others]:
        raise InvalidData(
            f"a component that imports {plain(', '.join(unknown), 200)}",
            f"asks for what no function gets; it may import {', '.join(known)}",
            "Build it for a world of contract.wit, without WASI (--disable all, --stub-wasi)",
        )
    return [known[name] for name in imports if name in known]


def check_needs(component: Component, needs: Iterable[str]) -> None:
    """Raise InvalidData if a component imports more than ``needs``."""
    if more := [need for need in needs_of(component) if need not in set(needs)]:
        raise InvalidData(
            f"a component that imports what {', '.join(more)} stands for",
            f"has needs: {', '.join(needs) or 'none'}",
            "Name what it imports among the needs of function.json, or build it without",
        )


def check_exports(component: Component, function: str) -> None:
    """Raise InvalidData unless a component has ``handle`` (or ``transform``), and configure."""
    names = exports_of(component)
    if missing := [name for name in ("configure", function) if name not in names]:
        raise InvalidData(
            f"a component that exports {plain(', '.join(names), 200) or 'nothing'}",
            f"has no {' and no '.join(missing)}",
            "Build it for a world of contract.wit: rule, or shape",
        )


def program_of(content: bytes, folder: Path, source: str | None = None, name: str = "") -> Program:
    """The program whose component has this content, compiled into ``folder`` if need be.

    Raises:
        InvalidData: it can't be compiled.
        OSError: its machine code can't be written.
    """
    return Program(component_of(content, folder), source, name)
