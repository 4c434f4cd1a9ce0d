"""Checks on the numbers of the server's configuration."""

from collections.abc import Callable

from fl_common.errors import InvalidConfiguration


def check_number(name: str, value: object, holds: Callable[[float], bool], rule: str) -> None:
    """Raise InvalidConfiguration unless ``value`` is a number for which ``holds`` is true.

    ``name`` is the override that sets the value. NaN fails every comparison, and so this check.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (is_number and holds(value)):  # type: ignore[arg-type]
        raise InvalidConfiguration(f"{name}={value}", rule, f"Set {name} to such a value")


def check_count(name: str, value: object) -> None:
    """Raise InvalidConfiguration unless ``value`` is a whole number of at least 1."""
    check_number(
        name, value, lambda n: isinstance(n, int) and n >= 1, "must be a whole number of at least 1"
    )
