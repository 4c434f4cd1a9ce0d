"""Overrides of a command line, ``name=value`` in Hydra's grammar, as people type them.

There ``=``, commas, brackets and letters beyond ASCII have to stand in quotes, within those that
the shell takes off. A value that names an existing file or folder is meant as that path, and gets
its quotes here; for any other the quotes are given as the remedy.
"""

import re
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Sweep
from hydra.errors import HydraException

from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration

_PLAIN = re.compile(r"[\w.+~@/:-]+=[\w.+/:-]*", re.ASCII)
"""Overrides that Hydra reads as they are."""
_NAMED = 8
_OWN_QUOTES = "quotes of its own within the shell's"


def readable(overrides: Sequence[str], *, sweeps: bool = False) -> list[str]:
    """``overrides`` as Hydra can read them, with quotes around paths that need some.

    ``sweeps``: several values of one name, with commas between them, are a sweep.

    Raises:
        InvalidConfiguration: one can't be read; the remedy has it as it must be typed.
    """
    return [_readable(text, sweeps) for text in overrides]


def value_of(override: str) -> Any:
    """The value of a readable override."""
    return _parsed(override).value()


def check_choice(override: str) -> None:
    """Raise InvalidConfiguration where ``override`` gives a group something else than a name.

    Several names are a list of options, or a sweep.
    """
    name, _, value = override.lstrip("+").partition("=")
    group = files("conf").joinpath(*name.partition("@")[0].split("/"))
    if not name or override.startswith("~") or not group.is_dir():
        return
    chosen = value_of(override)
    names = chosen if isinstance(chosen, list) else [chosen]
    if isinstance(chosen, Sweep) or all(isinstance(one, str) and one for one in names):
        return
    options = sorted(one.name[:-5] for one in group.iterdir() if one.name.endswith(".yaml"))
    raise InvalidConfiguration(
        f"{name}={value}",
        f"must be the name of an option, such as {', '.join(options[:_NAMED])}",
        f"Choose one of them; single values of it have names such as {name}.NAME=VALUE",
    )


def _readable(override: str, sweeps: bool) -> str:
    name, equals, value = override.partition("=")
    if _PLAIN.fullmatch(override) or not equals:
        return override
    try:
        if not _parsed(override).is_sweep_override() or sweeps:
            return override
        rule = "is several values, for which --multirun must be given; or it is a text, which needs"
    except HydraException:
        rule = "has characters for which a text needs"
    path = from_home(value)
    if _is_there(path):
        return f"{name}={quoted(str(path))}"
    raise InvalidConfiguration(override, f"{rule} {_OWN_QUOTES}", _remedy(name, value))


def _remedy(name: str, value: str) -> str:
    """How to type ``value`` in a shell so that it is read as text, or as a list of texts."""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        value = value[1:-1]
    typed = f"{name}={quoted(value)}"
    if value.startswith("[") and value.endswith("]"):
        parts = (part.strip().strip("'\"") for part in value[1:-1].split(","))
        typed = f"{name}=[{','.join(map(quoted, parts))}]"
    try:
        _parsed(typed)
    except HydraException:
        return "Give name=value, and see docs/reference/configuration.md for the names"
    return f"Type {shlex.quote(typed)}"


def quoted(text: str) -> str:
    """``text`` in double quotes; backslashes count only before a quote (Hydra's grammar)."""
    escaped = re.sub(r'(\\*)"', r'\1\1\\"', text)
    ends_well = re.sub(r"(\\+)$", r"\1\1", escaped)
    return f'"{ends_well}"'


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def _parsed(override: str) -> Any:
    (parsed,) = OverridesParser.create().parse_overrides([override])
    return parsed
