"""A run's settings: the same ones go on, and what differs is named with both values."""

import json
from typing import Any

import pytest

from fl_common.configuration.settings import (
    DATA,
    NETWORK,
    PLAN,
    check_same,
    differences,
    digest_of,
    flat,
)
from fl_common.errors import InvalidConfiguration

KEPT = {"rounds": 3, "strategy.optimiser.momentum": 0.9, DATA: "sha256 aa", "version.torch": "2.13"}


def test_settings_are_json_values_by_their_place() -> None:
    values = flat({"rounds": 3, "net": {"_target_": "a", "sizes": (1, 2)}, "seed": None})
    assert values == {"rounds": 3, "net._target_": "a", "net.sizes": [1, 2], "seed": None}
    assert json.loads(json.dumps(values)) == values


def test_the_same_settings_go_on() -> None:
    check_same("resume=R", KEPT, json.loads(json.dumps(KEPT)))
    check_same("resume=R", KEPT, {**KEPT, "compression.share": None})
    assert digest_of(KEPT) == digest_of(dict(reversed(KEPT.items())))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"rounds": 4}, "rounds=4 (it began with 3)"),
        ({"net.norm": "group"}, "net.norm=group (it began with null)"),
        ({"strategy.optimiser.momentum": None}, "momentum=null (it began with 0.9)"),
        ({DATA: "sha256 bb"}, "Put the data back as they were"),
        ({"version.torch": "2.14"}, "Install the versions that it began with"),
        ({f"key.{i}": i for i in range(9)}, "and 4 more"),
    ],
)
def test_what_differs_is_named_and_refused(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        check_same("resume=R", KEPT, {**KEPT, **changed})
    assert str(caught.value).startswith("resume=R with ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert digest_of({**KEPT, **changed}) != digest_of(KEPT)


def test_what_follows_from_other_settings_is_named_only_alone() -> None:
    both = differences({"seed": 0, NETWORK: "a", PLAN: "b"}, {"seed": 1, NETWORK: "c", PLAN: "d"})
    assert [one.key for one in both] == ["seed"]
    assert [one.key for one in differences({PLAN: "a"}, {PLAN: "b"})] == [PLAN]
