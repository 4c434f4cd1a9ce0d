"""Whether a new version of a component does as well on live windows as the one before it."""

from dataclasses import dataclass

from fl_client.inference.prediction import Prediction
from fl_common.configuration.rules import above, inside, require_fields, whole


@dataclass(frozen=True)
class HealthCounts:
    """What a version did: windows it was given, those without a finite answer, seconds, fuel.

    Of a function, ``windows`` are its calls, whose time is not counted: it is that of the machine.
    Fuel is that of functions in a sandbox, and the same on every machine.
    """

    windows: int = 0
    failed: int = 0
    seconds: float = 0.0
    fuel: int = 0

    @staticmethod
    def of(prediction: Prediction) -> "HealthCounts":
        """One call of a model."""
        is_answered_N = prediction.answered_N
        failed = len(is_answered_N) - int(is_answered_N.sum())
        return HealthCounts(len(is_answered_N), failed, prediction.seconds)

    def __add__(self, more: "HealthCounts") -> "HealthCounts":
        """The sum of both."""
        return HealthCounts(
            self.windows + more.windows,
            self.failed + more.failed,
            self.seconds + more.seconds,
            self.fuel + more.fuel,
        )

    @property
    def failure_share(self) -> float:
        """Share of windows without a prediction; 0 where there was no window."""
        return self.failed / self.windows if self.windows else 0.0


@dataclass(frozen=True)
class Health:
    """The health window of a new version: its first ``windows`` live windows.

    The version is rolled back when its share of failed windows exceeds the previous version's by
    more than ``more_failures``, when a window takes more than ``times_slower`` times as long, or as
    much fuel, or when the process has ended ``ends`` times before the health window was over.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    windows: int
    more_failures: float
    times_slower: float
    ends: int

    def __post_init__(self) -> None:
        require_fields(
            "health",
            self,
            windows=whole(1),
            more_failures=inside("[0, 1)"),
            times_slower=above(1),
            ends=whole(1),
        )

    def fault(self, before: HealthCounts, now: HealthCounts) -> str | None:
        """Why the version with the counts ``now`` must be rolled back; None if not (yet)."""
        allowed = before.failure_share + self.more_failures
        if now.failed > allowed * self.windows:  # whatever the rest of the windows bring
            return (
                f"{now.failed} of {now.windows} windows without an answer; a share of"
                f" {allowed:.3g} is allowed"
            )
        if now.windows < self.windows or not before.windows:
            return None
        allows = f"{self.times_slower:g} times is allowed"
        was, is_ = before.seconds / before.windows, now.seconds / now.windows
        if is_ > self.times_slower * was > 0:
            took = f"a window takes {1000 * is_:.3g} ms, {is_ / was:.1f} times as long as before"
            return f"{took}; {allows}"
        was, is_ = before.fuel / before.windows, now.fuel / now.windows
        if is_ > self.times_slower * was > 0:
            return (
                f"a call takes {is_:,.0f} fuel, {is_ / was:.1f} times as much as before; {allows}"
            )
        return None

    def is_over(self, now: HealthCounts) -> bool:
        """Whether the version has seen all windows of its health window."""
        return now.windows >= self.windows
