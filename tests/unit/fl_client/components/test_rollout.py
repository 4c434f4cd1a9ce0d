"""A rollout: what observes it does not wait for a version that is being put."""

import threading
from pathlib import Path

from fl_client.components.health import Health, HealthCounts
from fl_client.components.record import Version
from fl_client.components.rollout import Rollout

ONE = Version("a" * 64, "b" * 64, "1", "c" * 64)


class Slow:
    """A target that takes until ``go_on`` to put a version."""

    def __init__(self) -> None:
        self.putting, self.go_on = threading.Event(), threading.Event()

    def put(self, version: Version, standby: Version | None) -> None:
        """Wait."""
        self.putting.set()
        assert self.go_on.wait(60)

    def runs(self, version: Version) -> bool:
        """It does."""
        return True

    def failure(self, version: Version) -> str | None:
        """None is known."""
        return None

    def is_unfit(self, version: Version) -> bool:
        """It never is."""
        return False

    def retry(self, version: Version) -> None:
        """Nothing is known against it."""

    def left_out(self, version: Version) -> str | None:
        """It never is."""
        return None

    def first_failure(self, version: Version) -> str | None:
        """None is known."""
        return None

    def mark_bad(self, version: Version, reason: str) -> None:
        """Not called."""

    def has_one(self) -> bool:
        """It has."""
        return True


def test_counts_that_come_while_a_version_is_put_wait_and_are_judged(tmp_path: Path) -> None:
    target = Slow()
    rollout = Rollout("function f", target, tmp_path, Health(2, 0.05, 3.0, 3))
    thread = threading.Thread(target=rollout.take, args=(ONE,))
    thread.start()
    assert target.putting.wait(60)
    seen = threading.Thread(target=rollout.observe, args=(ONE.file, HealthCounts(1, 0, 0.0)))
    seen.start()
    seen.join(120)
    is_free = not seen.is_alive()
    target.go_on.set()
    thread.join(60)
    assert is_free
    assert not rollout.record.is_good(ONE)
    rollout.observe(ONE.file, HealthCounts(1, 0, 0.0))
    assert rollout.record.is_good(ONE), "two windows passed"


class Refusing(Slow):
    """A target that can't run a version that is put."""

    def __init__(self) -> None:
        super().__init__()
        self.why: str | None = None

    def put(self, version: Version, standby: Version | None) -> None:
        """Note that it can't."""
        self.why = "asks for more than this box grants"

    def runs(self, version: Version) -> bool:
        """It does not."""
        return False

    def failure(self, version: Version) -> str | None:
        """Why not."""
        return self.why


def test_what_can_not_run_here_is_told_when_it_is_taken_and_not_at_the_next_poll(
    tmp_path: Path,
) -> None:
    rollout = Rollout("function f", Refusing(), tmp_path, Health(2, 0.05, 3.0, 3))
    rollout.take(ONE)
    assert rollout.record.trial is None
    assert rollout.record.wanted is None
    assert rollout.happened == {"taken": 1, "rolled_back": 1}
