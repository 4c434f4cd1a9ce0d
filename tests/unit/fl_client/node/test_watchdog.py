"""Which thread is stuck, since when and where, by a clock that the test sets."""

import threading

import pytest

from fl_client.node.pulse import Pulse
from fl_common.programs.service_manager import ServiceManager


class Timer:
    """Seconds that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_step_is_stuck_while_it_lasts_and_its_place_is_named() -> None:
    timer, going_on, begun = Timer(), threading.Event(), threading.Event()
    pulse = Pulse(timer)

    def step() -> None:
        begun.set()
        going_on.wait()

    worker = threading.Thread(target=pulse.work, args=(step,))
    worker.start()
    begun.wait()
    assert not dict(pulse.stuck(60.0))
    timer.now_s = 60.1
    assert "test_watchdog.py" in dict(pulse.stuck(60.0))["worker"]
    going_on.set()
    worker.join()
    assert not dict(pulse.stuck(60.0))


def test_a_loop_is_stuck_that_does_not_beat() -> None:
    timer = Timer()
    pulse = Pulse(timer)
    timer.now_s = 1000.0
    assert not dict(pulse.stuck(60.0))  # it has not begun
    pulse.beat()
    timer.now_s = 1061.0
    assert list(dict(pulse.stuck(60.0))) == ["loop"]
    pulse.beat()
    assert not dict(pulse.stuck(60.0))


@pytest.mark.parametrize(
    ("environment", "watches"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "1"}, True),
        ({"WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}, False),
    ],
)
def test_only_the_process_that_systemd_watches_tells_it(
    environment: dict[str, str], watches: bool
) -> None:
    manager = ServiceManager(environment)
    assert manager.watches is watches
    manager.ready()  # to nobody: no error
