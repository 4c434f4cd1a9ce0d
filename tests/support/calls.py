"""Calls in the project's source that the architecture tests look for."""

import ast
from collections.abc import Iterator

_ALWAYS = {"fsync", "fdatasync", "move", "rename", "renames"}


def renames_and_syncs(text: str) -> set[str]:
    """Names of the calls in ``text`` that rename a file or wait for the disk."""
    return {name for call in _calls(text) if (name := _name(call)) in _ALWAYS or _replaces(call)}


def writes_itself(text: str) -> set[str]:
    """Names of the calls in ``text`` that make a folder or write a file without a sync."""
    return {_name(call) for call in _calls(text)} & {
        "mkdir",
        "makedirs",
        "write_text",
        "write_bytes",
    }


def packed(text: str) -> list[str]:
    """Arguments of calls in ``text`` that unpack a tuple or a list written out right there.

    Each is an argument like any other, and counts as a line of its own where it needs one.
    """
    return [
        ast.unparse(argument)
        for call in _calls(text)
        for argument in call.args
        if isinstance(argument, ast.Starred) and isinstance(argument.value, ast.Tuple | ast.List)
    ]


def _replaces(call: ast.Call) -> bool:
    """Whether ``call`` is ``os.replace`` or a path's; text's own has two arguments."""
    if _name(call) != "replace" or not isinstance(call.func, ast.Attribute):
        return False
    is_of_path = len(call.args) == 1 and not call.keywords
    return is_of_path or ast.unparse(call.func.value) == "os"


def _calls(text: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    """The name of what is called, without what it belongs to."""
    return ast.unparse(call.func).rpartition(".")[2]
