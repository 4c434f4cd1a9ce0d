"""Functions over predictions: debounce, hysteresis, and one that raises."""

import logging
from collections.abc import Iterable, Sequence

import pytest

from fl_client.functions.label_change import LabelChange
from fl_client.functions.runner import Functions
from fl_client.functions.threshold import Threshold
from fl_common.errors import InvalidConfiguration
from fl_common.functions import FunctionEvent, Predicted


def predicted(*probabilities: float, start: int = 0) -> Predicted:
    return Predicted(start, start + 10, ("rest", "walk"), probabilities)


def through(function: LabelChange | Threshold, walks: Sequence[float]) -> list[tuple[int, str]]:
    """Place and kind of each happening, for these probabilities of walking."""
    return [
        (place, happening.kind)
        for place, walk in enumerate(walks)
        for happening in function(predicted(1 - walk, walk, start=place))
    ]


def test_a_stray_window_is_no_change_of_label() -> None:
    change = LabelChange(windows=2)
    assert [place for place, _ in through(change, [0.1, 0.1, 0.9, 0.1, 0.9, 0.9])] == [1, 5]


def test_a_change_says_from_to_and_since_when() -> None:
    change = LabelChange(windows=2)
    data = [h.data for i in range(4) for h in change(predicted(0.0, 1.0, start=i))]
    assert data == [{"from": None, "to": "walk", "since_ns": 0}]


def test_an_alarm_is_raised_once_and_cleared_below_the_lower_threshold() -> None:
    alarm = Threshold("walk", above=0.8, below=0.4, windows=2)
    walks = [0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.6, 0.3, 0.5, 0.3, 0.3]
    assert through(alarm, walks) == [(3, "alarm-raised"), (10, "alarm-cleared")]


@pytest.mark.parametrize(("above", "below", "windows"), [(0.4, 0.5, 1), (1.1, 0.5, 1), (1, 0, 0)])
def test_settings_out_of_range_are_refused(above: float, below: float, windows: int) -> None:
    with pytest.raises(InvalidConfiguration):
        Threshold("walk", above, below, windows)


def test_a_function_that_raises_is_counted_then_left_out_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls = []

    def broken(predicted: Predicted) -> Iterable[FunctionEvent]:
        calls.append(predicted)
        raise ValueError("no such thing")

    def sound(predicted: Predicted) -> Iterable[FunctionEvent]:
        return (FunctionEvent("seen", {}),)

    functions = Functions({"broken": broken, "sound": sound}, failures_allowed=3)
    with caplog.at_level(logging.WARNING):
        found = [functions(predicted(1.0, 0.0)) for _ in range(5)]
    assert [[name for name, _ in one] for one in found] == [["sound"]] * 5
    assert len(calls) == functions.failures["broken"] == 3
    assert functions.disabled == ["broken"]
    assert "disabled until a restart" in caplog.messages[-1]
