"""A sensor's health: silent, unusable for any reason, or fine; and windows that never come."""

from collections.abc import Mapping

import numpy as np
import pytest

from fl_client.node.pipeline import PipelineStep
from fl_client.node.sensor_watch import SensorWatch
from fl_client.sensors import Annotation, Malformed, Readings
from fl_client.store.spool_identities import Appended, Arrival
from fl_common.programs.troubles import Troubles

NOW_S = 1_700_000_000.0
USED = [("watch", 1, None)]


class Box:
    """A watch whose time a test sets, over the sensors ``watch`` and ``door``."""

    def __init__(self, silent_s: Mapping[str, float | None], window_s: float = 2.56) -> None:
        self.now_s = 0.0
        self.troubles = Troubles(self.clock)
        self.watch = SensorWatch(silent_s, window_s, self.troubles, self.timer, self.clock)

    def timer(self) -> float:
        return self.now_s

    def clock(self) -> float:
        return NOW_S + self.now_s

    def comes(self, *items: Readings | Annotation | Malformed, **done: object) -> None:
        """These messages come, and a step ends with what is ``done``."""
        step = PipelineStep([Arrival(item) for item in items], Appended(len(items), 0, {}))
        for name, value in done.items():
            setattr(step, name, value)
        self.watch.note(step)

    def causes(self) -> dict[str, str]:
        self.watch.look()
        return {trouble.part: trouble.cause for trouble in self.troubles.current()}


def readings(sensor: str = "watch", stamp_s: float = NOW_S) -> Readings:
    stamps, values = np.array([int(stamp_s * 1e9)]), np.zeros((1, 1), np.float32)
    return Readings(sensor, "id", stamps, values)


def test_what_the_broker_sends_again_is_no_fault_of_the_sensor() -> None:
    box = Box({"watch": None})
    again = PipelineStep([Arrival(readings(), redelivered=True)] * 30, Appended(0, 30, {}))
    box.watch.note(again)
    assert box.causes() == {}
    box.comes(*[readings()] * 10)
    assert set(box.causes()) == {"sensor watch"}


def test_a_sensor_is_silent_after_its_own_time_and_well_again_with_the_first_message() -> None:
    box = Box({"watch": 60.0, "door": None})
    box.now_s = 60.0
    assert box.causes() == {}
    box.now_s = 61.0
    assert box.causes() == {"sensor watch": "no message for 60 s"}
    box.now_s = 10_000.0
    box.comes(readings(), outcomes=USED, windows=1)
    assert box.causes() == {}


@pytest.mark.parametrize(
    ("item", "done", "said"),
    [
        (Malformed("", "number", "watch"), {}, "malformed_number"),
        (readings(), {"outcomes": [("watch", 1, "late")]}, "late"),
        (readings(), {"outcomes": [("watch", 1, "ahead")]}, "ahead"),
        (readings(), {}, "repeated"),
        (readings(), {"appended": Appended(0, 0, {}, frozenset([0]))}, "full_rejected"),
    ],
)
def test_a_sensor_that_yields_nothing_usable_is_in_trouble_whatever_the_reason(
    item: Readings | Malformed, done: dict[str, object], said: str
) -> None:
    box = Box({"watch": 60.0, "door": 60.0})
    box.comes(readings(), outcomes=USED, windows=1)
    for _ in range(9):
        box.comes(item, **done)
    assert box.causes() == {}
    box.comes(item, **done)
    cause = f"none of its last 10 messages can be used ({said})"
    assert box.causes() == {"sensor watch": cause}
    box.comes(item, **done)
    assert box.causes() == {"sensor watch": cause}
    box.comes(readings(), outcomes=USED, windows=1)
    assert box.causes() == {}


def test_one_bad_message_among_good_ones_is_no_trouble() -> None:
    box = Box({"watch": 60.0})
    for _ in range(100):
        box.comes(Malformed("", "number", "watch"), readings(), outcomes=USED, windows=1)
    assert box.causes() == {}
    assert box.watch.shown()["watch"]["lost"] == {"malformed_number": 100}


def test_what_comes_last_in_a_step_decides() -> None:
    lost = [("watch", 1, "late")] * 10
    box = Box({"watch": 60.0})
    box.comes(*[readings()] * 11, outcomes=[*lost, *USED])
    assert box.causes() == {}
    box.comes(*[readings()] * 11, outcomes=[*USED, *lost])
    assert list(box.causes()) == ["sensor watch"]


def test_messages_that_wait_for_the_clock_are_no_trouble_of_their_sensor() -> None:
    box = Box({"watch": 60.0})
    for _ in range(50):
        box.comes(readings(), held=True)
        box.now_s += 30
    assert box.causes() == {}
    box.comes(outcomes=[("watch", 1, "ahead")] * 50)
    assert "none of its last 50 messages can be used (ahead)" in box.causes()["sensor watch"]


def test_messages_that_wait_since_the_clock_is_not_believed_are_no_trouble() -> None:
    box = Box({"watch": 60.0})
    for _ in range(50):
        box.now_s += 10.0
        box.comes(readings(), held=True)
    assert box.causes() == {}


def test_messages_that_are_meant_for_another_are_no_trouble() -> None:
    box = Box({"watch": 60.0})
    for _ in range(50):
        box.comes(Malformed("", "other", "watch"))
    assert box.causes() == {}
    assert box.watch.shown()["watch"]["lost"] == {"malformed_other": 50}


def test_a_rare_sensor_is_in_trouble_once_nothing_was_usable_for_its_time() -> None:
    box = Box({"watch": 60.0})
    for _ in range(3):
        box.now_s += 30.0
        box.comes(Malformed("", "structure", "watch"))
    assert box.causes() == {"sensor watch": "no usable message for 60 s"}


def test_messages_that_no_sensor_has_and_bad_labels_have_parts_of_their_own() -> None:
    box = Box({"watch": None})
    for _ in range(10):
        box.comes(Malformed("", "topic", None), Malformed("", "time", "annotations"))
    assert set(box.causes()) == {"other topics", "annotations"}
    box.comes(Annotation("", 0, 1, "run"))
    assert set(box.causes()) == {"other topics"}
    box.now_s += 61.0
    assert box.causes() == {}


def test_readings_without_a_window_are_a_trouble_that_tells_of_stamps_far_off() -> None:
    box = Box({"watch": None})
    for _ in range(61):
        box.comes(readings(stamp_s=NOW_S / 1000), outcomes=USED)
        box.now_s += 1.0
    assert box.causes() == {}
    box.comes(readings(stamp_s=NOW_S / 1000), outcomes=USED)
    assert box.causes() == {
        "windows": "readings come, but no window was made of them for 60 s; their stamps are far"
        " from now (1970-01-20)"
    }
    box.comes(readings(), outcomes=USED, windows=1)
    assert box.causes() == {}


def test_a_long_window_has_more_time_and_readings_that_have_ended_wait_for_none() -> None:
    box = Box({"watch": None}, window_s=1000.0)
    box.comes(readings(), outcomes=USED)
    box.now_s = 3001.0
    assert box.causes() == {}
    box.comes(readings(), outcomes=USED)
    assert "windows" in box.causes()


def test_the_last_message_the_rate_and_the_losses_are_shown() -> None:
    box = Box({"watch": None})
    assert box.watch.shown() == {
        "watch": {
            "last_seen_s": None,
            "messages": 0,
            "readings": 0,
            "readings_per_s": 0.0,
            "lost": {},
        }
    }
    for _ in range(10):
        box.now_s += 1.0
        box.comes(readings(), outcomes=[("watch", 50, None)], windows=1)
    box.watch.look()
    shown = box.watch.shown()["watch"]
    assert (shown["last_seen_s"], shown["messages"]) == (NOW_S + 10.0, 10)
    assert (shown["readings"], shown["readings_per_s"]) == (500, 50.0)
