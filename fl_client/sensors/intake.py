"""From a transport's deliveries to the spool's items: one item for each message."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from fl_client.sensors import Annotation, InvalidPayload, Malformed
from fl_client.sensors.decoders.forms import json_value
from fl_client.sensors.decoders.paths import short_text
from fl_client.sensors.decoders.times import check_time_unit, check_times, stamps
from fl_client.sensors.identity import delivered
from fl_client.sensors.sensor import Sensor
from fl_client.sensors.topics import StreamLevels
from fl_client.sensors.transports import Delivery, Taken
from fl_client.store.spool_identities import Appended, Arrival
from fl_common.configuration.printable import hidden, require_printable
from fl_common.configuration.rules import require, whole
from models.kinds.multilabel import BETWEEN, MOST_LABELS

_LOG = logging.getLogger(__name__)
_SHORT = 256
_MOST_BYTES = 500
"""Of all labels of a message, which the spool keeps beside what it counts."""
_UNPACKED = 64 << 20
"""Bytes of pictures that are unpacked at once."""
ANNOTATIONS = "annotations"
"""The name of the source of labels."""


class AnnotationTopic:
    """The source of labels: JSON ``{"from": t, "to": t, "label": "..."}``, optionally an ``"id"``.

    A label may be a number, or a list of labels that hold together, which may be empty. Times are
    in ``time_unit`` s, ms, us or ns since 1970, or iso. ``topic`` is the transport's address, and
    ``stream`` the levels of it that name the stream whose windows are labelled.

    Raises:
        InvalidConfiguration: another unit of time, levels that the topic does not have, or a hidden
            character in it.
    """

    def __init__(
        self, topic: str, time_unit: str, stream: int | Sequence[int] | None = None
    ) -> None:
        check_time_unit(time_unit)
        require_printable("topic of annotations", topic)
        self.topic, self._time_unit = topic, time_unit
        self.stream_levels = StreamLevels("annotations", topic, stream)

    def read(self, delivery: Delivery) -> tuple[Annotation, str | None]:
        """The annotation in a message, and the id that its sender gave it, if any.

        Raises:
            InvalidPayload: it is not an annotation, or its times can't be right.
        """
        found = json_value(delivery.payload)
        if not isinstance(found, dict):
            raise InvalidPayload("structure", "an annotation is an object")
        label = _label_in(found.get("label"))
        times_N = stamps([found.get("from"), found.get("to")], self._time_unit)
        check_times(times_N)
        start, end = times_N.tolist()
        if start >= end:
            raise InvalidPayload("time", "an annotation must end after its beginning")
        named = short_text(found["id"], "id") if "id" in found else None
        identity = " ".join(filter(None, (named, f"{start}-{end}-{label}")))
        stream = self.stream_levels.name_of(delivery.address)
        return Annotation(identity, start, end, label, stream), named


def _label_in(value: object) -> str:
    """What a message tells of its interval, as one text; several labels have semicolons between.

    Raises:
        InvalidPayload: it is neither text, a number, nor a list of texts.
    """
    if isinstance(value, list):
        names = [short_text(one, "label") for one in value[: MOST_LABELS + 1]]
        text = BETWEEN.join(names)
        if len(names) > MOST_LABELS or len(text.encode()) > _MOST_BYTES:
            limits = f"at most {MOST_LABELS}, and {_MOST_BYTES} bytes together"
            raise InvalidPayload("label", f"several labels must be {limits}")
        return text
    return repr(value) if isinstance(value, float) else short_text(value, "label")


Source = Sensor | AnnotationTopic
"""The declared source of a message."""


def name_of(source: Source) -> str:
    """The source's name in messages."""
    return source.name if isinstance(source, Sensor) else ANNOTATIONS


class Intake:
    """Reads the messages of one transport for its ``sources``.

    A payload above ``payload_bytes`` is malformed. ``matches`` is the transport's: whether a
    declared address covers a message's address. If two declarations do, the first one gets it.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        matches: Callable[[str, str], bool],
        payload_bytes: int,
    ) -> None:
        require("payload_bytes", payload_bytes, whole(1))
        self._sources, self._matches = tuple(sources), matches
        self._payload_bytes = payload_bytes
        self._has_pictures = any(isinstance(s, Sensor) and s.picture_bytes for s in self._sources)
        self._told = set[tuple[str, str]]()
        self._cached = lru_cache(maxsize=1024)(self._source)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The declared addresses, which the transport must listen to."""
        return tuple(source.topic for source in self._sources)

    def lacking(self) -> Mapping[str, tuple[str, ...]]:
        """For each sensor the declared fields that no message had; see ``Sensor.lacking``."""
        sensors = [source for source in self._sources if isinstance(source, Sensor)]
        return {sensor.name: sensor.lacking() for sensor in sensors}

    def parts(self, batch: Sequence[Delivery]) -> list[Sequence[Delivery]]:
        """The batch in parts, of which the pictures take a bounded memory when they are unpacked.

        A small file may be a large picture.
        """
        if not self._has_pictures:
            return [batch]
        parts, begin, taken = list[Sequence[Delivery]](), 0, 0
        for place, delivery in enumerate(batch):
            source = self._source_of(delivery.address)
            size = source.picture_bytes if isinstance(source, Sensor) else 0
            if taken and taken + size > _UNPACKED:
                parts.append(batch[begin:place])
                begin, taken = place, 0
            taken += size
        return [*parts, batch[begin:]]

    def arrivals(self, batch: Sequence[Delivery], received_ns: int) -> list[Arrival]:
        """An item for each message, ``Malformed`` for a bad one; never raises.

        Pictures that come together and have no stamp are a nanosecond apart: each is a window.
        """
        return [self._arrival(one, received_ns, place) for place, one in enumerate(batch)]

    def _arrival(self, delivery: Delivery, received_ns: int, place: int) -> Arrival:
        size = len(delivery.payload)
        try:
            if size > self._payload_bytes:
                raise InvalidPayload("size", f"{size} bytes are more than allowed")
            source = self._source_of(delivery.address)
            if source is None:
                strange = hidden(delivery.address)
                why = f"it has the character {strange}" if strange else "no sensor has this topic"
                raise InvalidPayload("topic", why)
            if isinstance(source, AnnotationTopic):
                annotation, named = source.read(delivery)
                return Arrival(annotation, named=named)
            apart_ns = place if source.picture_bytes else 0
            readings, identity = source.read(delivery, received_ns + apart_ns)
        except InvalidPayload as error:
            name, found = self._name_of(delivery.address), delivered(delivery)
            self._log_once(name or "topics", delivery.address, error)
            return Arrival(Malformed(found.id, error.reason, name), found.surely_new)
        redelivered = delivery.again and not delivery.by_sender
        return Arrival(readings, identity.surely_new, identity.named, redelivered)

    def _name_of(self, address: str) -> str | None:
        source = self._source_of(address)
        return name_of(source) if source else None

    def _log_once(self, name: str, address: str, error: InvalidPayload) -> None:
        """Log the first malformed message of a kind, without any of the sensor's values."""
        if (name, error.reason) not in self._told:
            self._told.add((name, error.reason))
            _LOG.warning(
                "%s: a message of %r is malformed (%s). Compare what is sent there with the"
                " declaration; further ones are only counted, as malformed_%s",
                name, address[:80], error, error.reason)  # fmt: skip

    def _source_of(self, address: str) -> Source | None:
        """The source for ``address``. An address may have 64 kB: only short ones are cached."""
        return self._cached(address) if len(address) < _SHORT else self._source(address)

    def _source(self, address: str) -> Source | None:
        if hidden(address):  # nor can a broken topic be stored with a reading
            return None
        return next((s for s in self._sources if self._matches(s.topic, address)), None)


def taken_of(arrivals: Sequence[Arrival], appended: Appended) -> Taken:
    """For each message None if it is stored, else the reason why not; for its transport."""
    return [
        f"malformed_{arrival.item.reason}"
        if isinstance(arrival.item, Malformed)
        else "full"
        if position in appended.refused
        else None
        for position, arrival in enumerate(arrivals)
    ]
