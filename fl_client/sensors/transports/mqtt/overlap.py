"""Topic filters that cover the same topics: a broker may deliver a message once for each.

MQTT 5 lets it (3.3.4), and mosquitto does. The copies differ in their subscription identifiers, by
which all but one are dropped. Where there are no identifiers, a filter that another one covers is
not subscribed to.
"""

import hashlib
import zlib
from collections import Counter, OrderedDict
from collections.abc import Sequence

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

_MOST = 268_435_455  # the largest identifier (MQTT 5, 3.8.2.1.2)
_TAKEN = 0  # no identifier: how many messages of a content were taken
_REMEMBERED = 1000  # contents; copies of a message follow each other


def covers(wide: str, narrow: str) -> bool:
    """Whether ``wide`` matches all topics that ``narrow`` matches."""
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    if narrow.startswith("$") and wide_levels[0] in ("+", "#"):
        return False
    for place, level in enumerate(wide_levels):
        if level == "#":
            return True
        if place >= len(narrow_levels) or narrow_levels[place] == "#":
            return False
        if level not in ("+", narrow_levels[place]):
            return False
    return len(wide_levels) == len(narrow_levels)


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both."""
    pairs = [one.split("/"), other.split("/")]
    if any(a[0] in ("+", "#") and b[0].startswith("$") for a, b in (pairs, pairs[::-1])):
        return False
    for a, b in zip(*pairs, strict=False):
        if "#" in (a, b):
            return True
        if "+" not in (a, b) and a != b:
            return False
    short, long = sorted(pairs, key=len)
    return len(short) == len(long) or long[len(short) :] == ["#"]


def overlapping(topics: Sequence[str]) -> list[tuple[str, str]]:
    """The pairs of filters that cover the same topics."""
    different = list(dict.fromkeys(topics))
    return [
        (one, other)
        for place, one in enumerate(different)
        for other in different[place + 1 :]
        if overlap(one, other)
    ]


def uncovered(topics: Sequence[str]) -> list[str]:
    """The filters that no other one covers, each once."""
    different = list(dict.fromkeys(topics))
    return [t for t in different if not any(covers(o, t) for o in different if o != t)]


def identifier_of(topic: str) -> int:
    """The subscription identifier of a filter: the same in each session."""
    return zlib.crc32(topic.encode()) % _MOST + 1


class Copies:
    """Tells the copies of a message that come for other subscriptions, on one connection.

    The n-th message of one content for a subscription is a copy if n of that content were taken for
    others. So no message is taken for a copy before another one of it has come. Copies are counted
    in ``refused``, as ``copy``.
    """

    def __init__(self, refused: Counter[str]) -> None:
        self._recent: OrderedDict[tuple[str, bytes], Counter[int]] = OrderedDict()
        self._refused = refused

    def is_one(self, address: str, payload: bytes, properties: bytes) -> bool:
        """Whether the message, whose ``properties`` are encoded, is a copy of one that came."""
        found = Properties(PacketTypes.PUBLISH)
        found.unpack(properties)
        identifiers = getattr(found, "SubscriptionIdentifier", None)
        if not identifiers:
            return False
        key = address, hashlib.blake2b(payload, digest_size=16).digest()
        seen = self._recent.setdefault(key, Counter())
        self._recent.move_to_end(key)
        if len(self._recent) > _REMEMBERED:
            self._recent.popitem(last=False)
        seen.update(identifiers)
        if max(seen[one] for one in identifiers) <= seen[_TAKEN]:
            self._refused["copy"] += 1
            return True
        seen[_TAKEN] += 1
        return False
