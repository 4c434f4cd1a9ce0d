"""Overrides that leave a run without a part it needs: refused before anything is composed."""

from collections.abc import Sequence

from fl_common.configuration.keys import check_added, check_names
from fl_common.configuration.overrides import value_of
from fl_common.errors import InvalidConfiguration
from simulate.configuration.composition import HELP, known_values
from simulate.configuration.known import groups

_NO_NAMES = (int, float, type(None))


def check_choices(overrides: Sequence[str]) -> None:
    """Refuse a group set to null or a number, or removed (``~net``), and former names of values.

    And a value that is added to an option which does not read it.

    Raises:
        InvalidConfiguration: for the first such override.
    """
    check_names(overrides)
    for override in overrides:
        name, _, value = override.partition("=")
        if name in groups() and (not value or isinstance(value_of(override), _NO_NAMES)):
            rule = f"chooses no option of the group {name}, which a run needs"
            raise InvalidConfiguration(override, rule, HELP)
        if override.startswith("~") and "." not in name:
            raise InvalidConfiguration(override, "would remove what a run needs", HELP)
    check_added(overrides, known_values)
