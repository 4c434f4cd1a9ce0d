"""Chains of functions end."""

import pytest

from fl_client.functions.chains import check_chains
from fl_common.errors import InvalidData


@pytest.mark.parametrize(
    ("heard", "words"),
    [
        ({"a": {"a"}}, "a < a: hear each other in a circle"),
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}}, "a < b < c < a: hear each other"),
        ({"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": {"e"}}, "a chain of more than 4"),
    ],
    ids=["itself", "circle", "long"],
)
def test_a_chain_that_does_not_end_is_refused(heard: dict[str, set[str]], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        check_chains(heard)


def test_four_links_and_two_that_hear_one_are_taken() -> None:
    check_chains({"a": {"b"}, "b": {"c"}, "c": {"d"}, "e": {"d"}, "d": set()})
