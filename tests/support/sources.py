"""The project's Python source as the architecture tests read it; nothing is imported."""

import ast
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("catalogue", "conf", "fl_client", "fl_common", "fl_server", "models", "simulate")


@dataclass(frozen=True)
class Source:
    """One file: ``path`` is relative to the root, with forward slashes."""

    path: str
    text: str

    @property
    def module(self) -> str:
        """Dotted name; a package's ``__init__`` has the package's name."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def package(self) -> str:
        """First part of the module's name."""
        return self.path.partition("/")[0]

    @property
    def lines(self) -> int:
        """All lines of the file."""
        return len(self.text.splitlines())

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """Dotted names, with every imported name appended (``from a import b`` gives ``a.b``)."""
        return tuple(_imports(ast.parse(self.text)))

    def function_sizes(self) -> dict[str, int]:
        """Lines of code of every function by name and line: no docstring, comment or blank line."""
        code = _code_lines(self.text)
        return {
            f"{self.path}:{node.lineno} {node.name}": _size(node, code)
            for node in ast.walk(ast.parse(self.text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }


@cache
def sources(*folders: str) -> tuple[Source, ...]:
    """Every Python file below ``folders``, in order of path; none that is generated.

    Nor any that runs in a Python of its own, with modules that are nowhere else: the guest.
    """
    found = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    paths = sorted(path for path in found if not path.name.endswith(("_pb2.py", "_guest.py")))
    return tuple(Source(p.relative_to(ROOT).as_posix(), p.read_text("utf-8")) for p in paths)


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _code_lines(text: str) -> set[int]:
    """Numbers of the lines that hold a token other than a comment."""
    empty = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = iter(text.splitlines(keepends=True))
    tokens = tokenize.generate_tokens(lambda: next(lines, ""))
    spans = ((t.start[0], t.end[0]) for t in tokens if t.type not in empty)
    return {line for first, last in spans for line in range(first, last + 1)}


def _size(node: ast.FunctionDef | ast.AsyncFunctionDef, code: set[int]) -> int:
    lines = set(range(node.lineno, (node.end_lineno or node.lineno) + 1)) & code
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        lines -= set(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return len(lines)
