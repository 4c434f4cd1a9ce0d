"""What functions of streams remember in the host's process, which has limited memory."""

from collections.abc import Collection

MOST_HELD = 32 << 20
"""Bytes that all of them remember there: half of what a thousand streams of one may."""
Place = tuple[int, str]
"""The key of a source, and a stream."""


class Held:
    """The functions that are in the process, and the size of what each remembers."""

    def __init__(self, most: int = MOST_HELD) -> None:
        self._most, self._total = most, 0
        self._sizes: dict[Place, int] = {}  # the one called last is the last

    def __contains__(self, at: Place) -> bool:
        return at in self._sizes

    def note(self, at: Place, size: int) -> list[Place]:
        """Note what one remembers after a call; those that there is no room for any more.

        They were called long ago, and go on from what they remember when they are called again. One
        that remembers nothing outside of the process stays.
        """
        self.drop(at)
        self._sizes[at], self._total = size, self._total + size
        gone, total = [], self._total
        for other, held in self._sizes.items():
            if total <= self._most or other == at:
                break
            if held:
                total -= held
                gone.append(other)
        for other in gone:
            self.drop(other)
        return gone

    def drop(self, at: Place) -> None:
        """It is not there any more."""
        self._total -= self._sizes.pop(at, 0)

    def keep(self, keys: Collection[int]) -> None:
        """Those of other sources are not there any more."""
        for at in [one for one in self._sizes if one[0] not in keys]:
            self.drop(at)

    def clear(self) -> None:
        """None is there."""
        self._sizes, self._total = {}, 0
