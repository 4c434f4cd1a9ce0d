"""Which stream a message belongs to: the levels of its topic that name it.

A topic without wildcards is one device's. One with wildcards may be that of many, whose readings
must not be mixed into the windows of one; so it is declared which levels name the stream, if any.
"""

from collections.abc import Sequence

from fl_client.sensors import InvalidPayload
from fl_common.errors import InvalidConfiguration

_SEPARATOR = "/"
_LONGEST = 200  # bytes of a name


class StreamLevels:
    """The ``levels`` of a declared ``topic``, counted from 1, that name a message's stream.

    None, or no level: all messages are of the one stream without a name. ``owner`` is for messages.

    Raises:
        InvalidConfiguration: levels that the topic does not have.
    """

    def __init__(self, owner: str, topic: str, levels: int | Sequence[int] | None) -> None:
        self._owner, self._declared = f"topic {topic} of {owner}", topic.split(_SEPARATOR)
        self.levels, self._is_declared = (
            _numbers(owner, levels, len(self._declared)),
            levels is not None,
        )

    def check_tells_apart(self) -> None:
        """Check that what wildcards cover is told apart, as a sensor's must be, or said to be one.

        Raises:
            InvalidConfiguration: the readings of several devices would be mixed.
        """
        wild = [place for place, level in enumerate(self._declared, 1) if level in ("+", "#")]
        if self._is_declared or not wild:
            return
        raise InvalidConfiguration(
            self._owner,
            "has a wildcard that names no stream, so that the readings of all devices that it"
            " covers would be mixed into one",
            f"Set stream: {_shown(wild)} beside it, the level that tells them apart, or [] if all"
            " are one device's, or write the topic in full",
        )

    def name_of(self, address: str) -> str:
        """The stream of a message to ``address``; empty without levels.

        Raises:
            InvalidPayload: the address has no usable name there.
        """
        if not self.levels:
            return ""
        found = address.split(_SEPARATOR)
        if len(found) < self.levels[-1]:
            raise InvalidPayload("stream", "the topic lacks the level that names its stream")
        names = [found[level - 1] for level in self.levels]
        name = _SEPARATOR.join(names)
        if not all(names) or set(name) & {"+", "#"} or len(name.encode()) > _LONGEST:
            raise InvalidPayload("stream", "the topic's name of its stream is empty or too long")
        return name


def check_streams_alike(levels: Sequence[tuple[str, StreamLevels]]) -> None:
    """Check that all declarations name streams, or none does; each comes with its owner.

    Raises:
        InvalidConfiguration: some do and some do not.
    """
    naming = [owner for owner, of in levels if of.levels]
    others = [owner for owner, of in levels if not of.levels]
    if naming and others:
        raise InvalidConfiguration(
            others[0],
            f"must name its stream, as {naming[0]} does: it belongs to none of them otherwise",
            "Give its topic a level with the stream's name and set stream to its number, or"
            " declare stream nowhere",
        )


def _numbers(owner: str, levels: int | Sequence[int] | None, most: int) -> tuple[int, ...]:
    if levels is None:
        return ()
    numbers = (levels,) if isinstance(levels, int) else tuple(levels)
    fits = all(isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= most for n in numbers)
    if not fits or list(numbers) != sorted(set(numbers)):
        raise InvalidConfiguration(
            f"stream={levels} of {owner}",
            f"must be a level of its topic, from 1 to {most}, or some in order",
            "Give the number of the level that names the machine, person or room",
        )
    return numbers


def _shown(levels: Sequence[int]) -> str:
    return str(levels[0] if len(levels) == 1 else list(levels))
