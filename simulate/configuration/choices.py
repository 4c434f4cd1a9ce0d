"""Overrides that leave a run without a part it needs: refused before anything is composed."""

from collections.abc import Sequence

from fl_common.configuration.keys import check_added, check_names
from fl_common.configuration.overrides import check_choice
from fl_common.errors import InvalidConfiguration
from simulate.configuration.composition import HELP, known_values


def check_choices(overrides: Sequence[str]) -> None:
    """Refuse a group that is given no name or removed (``~net``), and former names of values.

    And a value that is added to an option which does not read it.

    Raises:
        InvalidConfiguration: for the first such override.
    """
    check_names(overrides)
    for override in overrides:
        check_choice(override)
        if override.startswith("~") and "." not in override:
            raise InvalidConfiguration(override, "would remove what a run needs", HELP)
    check_added(overrides, known_values)
