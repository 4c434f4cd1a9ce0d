"""What a sensor's declaration says about windows."""

from typing import Any

import pytest

from fl_client.windows import Source
from fl_client.windows.declared import sources_of
from fl_common.errors import InvalidConfiguration


def test_a_declaration_says_what_holds_and_which_gap_is_too_long() -> None:
    channels = [{"name": "x"}, {"name": "open", "hold": "last", "longest_age_s": 3600}]
    declared = {"door": {"longest_gap_s": 90, "channels": channels}}
    assert sources_of(declared) == [Source("door", ("x", "open"), None, 90, (None, 3600))]
    assert sources_of(declared)[0].held == (("open", 3600),)
    plain = {"watch": {"rate_hz": 50.0, "channels": [{"name": "x", "hold": None}]}}
    assert sources_of(plain) == [Source("watch", ("x",), 50.0, None, (None,))]


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
        sources_of({"s": {"channels": [{"name": "x", **channel}]}})
    with pytest.raises(InvalidConfiguration, match=r"sensors.s.longest_gap_s=-1"):
        sources_of({"s": {"longest_gap_s": -1, "channels": [{"name": "x"}]}})
