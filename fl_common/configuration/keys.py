"""The keys of a configuration: what nothing reads is refused, a former name with the new one."""

from collections.abc import Mapping, Sequence
from typing import Any

from fl_common.errors import InvalidConfiguration

_NOW = {"strategy.largest_update_norm": "strategy.cut_outliers"}
"""Former names of values, and those that took their place."""


def check_keys(values: Mapping[Any, Any], known: Any, parts: Sequence[str]) -> None:
    """Refuse keys that are not in ``known``, and missing ones, in ``values`` and its ``parts``.

    ``parts`` are the sections without a constructor, which would refuse unknown keys by itself.

    Raises:
        InvalidConfiguration: for the first such key.
    """
    for place, given, allowed in (
        ("", values, known),
        *((f"{name}.", values.get(name), known[name]) for name in parts),
    ):
        wrong = sorted(set(given or ()) - set(allowed))
        missing = sorted(set(allowed) - set(given or ()))
        if wrong or missing:
            name = place + str((wrong or missing)[0])
            check_names([name])
            raise InvalidConfiguration(
                f"configuration key {name}",
                "is not known" if wrong else "is missing",
                f"The known keys are {', '.join(sorted(allowed))}",
            )


def check_names(overrides: Sequence[str]) -> None:
    """Refuse ``overrides`` of a value by its former name.

    Raises:
        InvalidConfiguration: with the name that took its place.
    """
    for override in overrides:
        name = override.partition("=")[0].lstrip("+~")
        if name in _NOW:
            raise InvalidConfiguration(name, "is no longer a value", f"Set {_NOW[name]} instead")
