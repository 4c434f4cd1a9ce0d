"""When a function has failed so often that it is disabled."""

import logging
from collections import deque

from fl_client.functions.host import FunctionSource

_logger = logging.getLogger(__name__)
_LONGEST = 300
_FURTHER = (
    "further failures are counted in fl_client_function_failures_total, and fl-client functions"
    " letters shows their events"
)


class Failing:
    """The failures of a function of ``source`` as ``name``, and whether it is disabled by them.

    A function in a sandbox says itself after how many failures of how many last calls it is
    (``on_failure.disable_after``): so few failures in a year don't end it. An installed class is
    after ``allowed`` failures. Begins as with no call; once disabled it stays so.
    """

    def __init__(self, name: str, source: FunctionSource, allowed: int) -> None:
        self._name, self._source = name, source
        self._allowed, self._of_last = allowed, None
        if source.sandboxed is not None:
            after = source.sandboxed.fields["on_failure"]["disable_after"]
            self._allowed, self._of_last = after["failures"], after["of_last"]
        self._calls = 0
        self._recent = deque[tuple[int, str]]()  # the number of the call, and what failed
        self._has_told = False

    @property
    def is_disabled(self) -> bool:
        """Whether it is called no more."""
        return len(self._recent) >= self._allowed

    @property
    def why(self) -> str:
        """Why it is disabled: how often it failed, and the first of these failures."""
        often = "once" if len(self._recent) == 1 else f"{len(self._recent):,} times"
        of = f" in its last {self._of_last:,} calls" if self._of_last else ""
        first = next(iter(self._recent), (0, "no failure is allowed"))[1]
        return f"it failed {often}{of}, first: {first}"

    @property
    def first(self) -> str | None:
        """The first failure of those that are counted; None: there is none."""
        return next((words for _, words in self._recent), None)

    @property
    def remedy(self) -> str:
        """What a person can do."""
        if self._source.at is None:
            return "Publish another version, or restart the node to try this one again"
        return "Correct it, or take it out of functions in the configuration, and restart the node"

    def note(self, failure: str | None, *, goes_back: bool = False) -> None:
        """Count a call that ended with this ``failure``, or None; the first is logged.

        With ``goes_back`` another takes its place when it is disabled, which is told by whoever
        does that.
        """
        self._calls += 1
        while self._of_last and self._recent and self._recent[0][0] <= self._calls - self._of_last:
            self._recent.popleft()
        if failure is None:
            return
        self._recent.append((self._calls, failure[:_LONGEST]))
        if self.is_disabled and goes_back:
            return
        if self.is_disabled:
            _logger.warning("function %s is disabled: %s. %s; fl-client functions letters shows"
                            " the events.", self._name, self.why, self.remedy)  # fmt: skip
        elif not self._has_told:
            _logger.warning("function %s failed: %s; it is disabled %s. %s; %s.",
                            self._name, failure, self._when(), self.remedy, _FURTHER)  # fmt: skip
        self._has_told = True

    def _when(self) -> str:
        if self._of_last:
            return f"after {self._allowed:,} failures in {self._of_last:,} calls"
        return f"after {self._allowed - len(self._recent):,} more"
