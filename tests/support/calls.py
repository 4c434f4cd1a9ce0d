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


def waits_below(text: str, seconds: float) -> set[float]:
    """Written-out numbers of seconds below ``seconds`` that calls in ``text`` wait at most.

    Those within a ``while`` ask again, and count not.
    """
    nodes = list(ast.walk(ast.parse(text)))
    loops = (node for node in nodes if isinstance(node, ast.While))
    again = {id(node) for loop in loops for node in ast.walk(loop)}
    calls = (node for node in nodes if isinstance(node, ast.Call) and id(node) not in again)
    found = (number for call in calls for number in _patience(call))
    return {number for number in found if 0 < number < seconds}


def unseeded(text: str) -> set[str]:
    """Calls in ``text`` that make a generator of random numbers without a seed."""
    return {
        ast.unparse(call)
        for call in _calls(text)
        if _name(call) in {"default_rng", "Random", "RandomState", "SeedSequence"}
        and not call.keywords
        and all(isinstance(one, ast.Constant) and one.value is None for one in call.args)
    }


_WAITS = {"wait": 0, "join": 0, "settimeout": 0, "until": 2, "wait_for": 1}
"""Calls that wait, and from which argument on a number is the seconds that they do at most."""


def _patience(call: ast.Call) -> Iterator[float]:
    named = (k.value for k in call.keywords if k.arg in {"timeout", "patience", "patience_s"})
    placed = call.args[_WAITS[_name(call)] :] if _name(call) in _WAITS else ()
    for value in (*named, *placed):
        if isinstance(value, ast.Constant) and isinstance(value.value, int | float):
            yield float(value.value)


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
