"""Ticks: times at which functions are called though nothing need have happened."""

from collections.abc import Collection

from fl_client.functions.named import SET_BACK_NS
from fl_common.functions.events import period_s

_SECOND_NS = 10**9


class Ticks:
    """Whole multiples of the periods that are asked for, once each, by the clock of the box.

    Those that passed while the box was off, or its clock was not believed, are left out but for the
    last; after a start there is none before the first period has ended. A clock that is set back by
    less than an hour repeats none.
    """

    def __init__(self) -> None:
        self._last_ns: dict[int, int] = {}

    def since(self, periods: Collection[str], now_ns: int) -> list[int]:
        """The times that have come since the last call, in order; ``periods`` in seconds."""
        asked = {period_s(period) for period in periods}
        self._last_ns = {period: self._last_ns[period] for period in asked & self._last_ns.keys()}
        times_ns = set()
        for period in asked:
            now = now_ns - now_ns % (period * _SECOND_NS)
            last_ns = self._last_ns.setdefault(period, now)
            if now > last_ns:
                times_ns.add(now)
            if now > last_ns or last_ns - now_ns >= SET_BACK_NS:
                self._last_ns[period] = now
        return sorted(times_ns)
