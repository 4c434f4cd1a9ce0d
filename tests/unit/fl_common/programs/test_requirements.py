import sys

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.programs.requirements import check_installed


def test_what_is_there_is_not_imported_for_the_check() -> None:
    sys.modules.pop("antigravity", None)
    check_installed("a command", "train", ["json", "antigravity"])
    assert "antigravity" not in sys.modules


def test_all_that_is_missing_is_said_at_once_with_the_extra_that_brings_it() -> None:
    with pytest.raises(InvalidConfiguration) as error:
        check_installed("fl-x join", "train", ["no_such_c", "json", "no_such_a", "no_such_b"])
    assert str(error.value) == (
        "fl-x join: needs no_such_a, no_such_b and no_such_c, which are not installed."
        " Install with: pip install 'join-the-dots[train]'."
    )
