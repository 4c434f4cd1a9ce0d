"""Keys that nothing reads are refused, each with the nearest that something does."""

from contextlib import ExitStack

import pytest

from fl_common.configuration.keys import all_read, check_known, nearest
from fl_common.errors import InvalidConfiguration


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("privacy.epsilonn", "privacy.epsilon"),
        ("epsilon", "privacy.epsilon"),
        ("roundz", "rounds"),
        ("learning_rat", "training.learning_rate"),
        ("xyz", None),
    ],
)
def test_a_typo_has_the_name_that_was_meant(name: str, found: str | None) -> None:
    known = ["rounds", "privacy.epsilon", "privacy.delta", "training.learning_rate"]
    assert nearest(name, known) == found


def test_what_nothing_reads_is_refused() -> None:
    node = {"epsilon": 1.0, "epsilonn": 2.0}
    with ExitStack() as stack:
        stack.enter_context(
            pytest.raises(InvalidConfiguration, match=r"privacy\.epsilonn: is not known\. Did you")
        )
        assert stack.enter_context(all_read("privacy", node))["epsilon"] == 1.0
    with all_read("privacy", node, ["epsilonn"]) as read:
        assert (read["epsilon"], read.get("delta")) == (1.0, None)
    with all_read("privacy", node) as read:
        assert dict(read) == node  # a constructor that takes them all refuses what it does not know


def test_a_failure_is_not_hidden_by_what_it_left_unread() -> None:
    with pytest.raises(KeyError), all_read("privacy", {"epsilon": 1.0}) as read:
        read["delta"]


def test_known_keys_pass() -> None:
    check_known("", {"a": 1}, {"a", "b"})
