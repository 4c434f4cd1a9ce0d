"""What a sensor's declaration says about windows."""

from typing import Any

import pytest

from fl_client.windows import Source
from fl_client.windows.declared import sources_of
from fl_common.errors import InvalidConfiguration

WINDOWS = {"_target_": "fl_client.windows.Slicing", "step": 4, "longest_gap_s": 0.5,
           "lateness_s": 1.0, "ahead_s": 60.0}  # fmt: skip


def declared(**sensors: Any) -> list[Source]:
    return sources_of({"windows": WINDOWS, "sensors": sensors})


def test_a_declaration_says_what_holds_and_which_gap_is_too_long() -> None:
    channels = [{"name": "x"}, {"name": "open", "hold": "last", "longest_age_s": 3600}]
    (door,) = declared(door={"longest_gap_s": 90, "channels": channels})
    assert door == Source("door", ("x", "open"), None, 90, (None, 3600))
    assert door.held == (("open", 3600),)


def test_the_longest_gap_of_one_sensor_is_not_that_of_another() -> None:
    watch = {"rate_hz": 50.0, "channels": [{"name": "x", "hold": None}]}
    found = declared(door={"longest_gap_s": 90, "channels": [{"name": "open"}]}, watch=watch)
    assert found[1] == Source("watch", ("x",), 50.0, 0.5, (None,))


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        (
            {"hold": "first", "longest_age_s": 1},
            "hold=first of channel x of sensor s: must be last",
        ),
        ({"hold": "last"}, "longest_age_s=None of channel x of sensor s: go together"),
        ({"longest_age_s": 9}, "hold=None and longest_age_s=9 .*go together"),
        ({"hold": "last", "longest_age_s": 0}, "longest_age_s of channel x=0: must be a finite"),
    ],
)
def test_half_a_declaration_is_refused(channel: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        declared(s={"channels": [{"name": "x", **channel}]})
    with pytest.raises(InvalidConfiguration, match=r"sensors.s.longest_gap_s=-1"):
        declared(s={"longest_gap_s": -1, "channels": [{"name": "x"}]})


def test_a_wrong_value_of_the_windows_is_told_by_its_place() -> None:
    config = {"windows": {**WINDOWS, "longest_gap_s": [0.5]}, "sensors": {}}
    with pytest.raises(InvalidConfiguration, match=r"windows\.longest_gap_s"):
        sources_of(config)
