"""From what the broker delivered to what the spool keeps: one item for each message."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from paho.mqtt.client import topic_matches_sub

from fl_client.sensors import Annotation, InvalidPayload, Malformed
from fl_client.sensors.decoders.json import check_time_unit, short_text
from fl_client.sensors.decoders.numbers import stamps
from fl_client.sensors.decoders.senml_pack import InvalidSenml, parsed_json
from fl_client.sensors.sensor import Sensor, check_filter
from fl_client.store.spool import Arrival
from fl_common.errors import InvalidConfiguration

_LOG = logging.getLogger(__name__)


class Delivery(NamedTuple):
    """A message as the broker delivered it; ``again``: it says so, since it got no answer.

    ``number`` is the packet identifier: the same in a repetition, 0 without one (QoS 0).
    """

    topic: str
    payload: bytes
    number: int
    again: bool


@dataclass(frozen=True)
class AnnotationTopic:
    """Where labels come from: JSON ``{"from": t, "to": t, "label": "..."}``, perhaps an ``"id"``.

    Times are in ``time_unit`` s, ms, us or ns since 1970.
    """

    topic: str
    time_unit: str

    def read(self, payload: bytes) -> Annotation:
        """The annotation in a payload.

        Raises:
            InvalidPayload: it is none.
        """
        try:
            found = parsed_json(payload)
        except InvalidSenml as error:
            raise InvalidPayload(error.reason, str(error)) from error
        if not isinstance(found, dict):
            raise InvalidPayload("structure", "an annotation is an object")
        label = short_text(found.get("label"), "label")
        start, end = stamps([found.get("from"), found.get("to")], self.time_unit).tolist()
        if start >= end:
            raise InvalidPayload("time", "an annotation must end after its beginning")
        identity = f"{start}-{end}-{label}" if "id" not in found else short_text(found["id"], "id")
        return Annotation(identity, start, end, label)


class Intake:
    """The sensors of a site, and the annotations. A payload above ``payload_bytes`` is refused.

    Where two filters match a topic, the sensor that is declared first has it.

    Raises:
        InvalidConfiguration: two sensors of one name, or a value outside its range.
    """

    def __init__(
        self, sensors: Sequence[Sensor], annotations: AnnotationTopic | None, payload_bytes: int
    ) -> None:
        names = [sensor.name for sensor in sensors]
        if len(set(names)) < len(names):
            rule = "must differ from each other"
            raise InvalidConfiguration(f"sensors {names}", rule, "Give each a name of its own")
        if payload_bytes < 1:
            raise InvalidConfiguration(
                f"payload_bytes={payload_bytes}", "must be at least 1", "Set it to such a value"
            )
        if annotations:
            check_filter("annotations", annotations.topic)
            check_time_unit(annotations.time_unit)
        self._sensors, self._annotations = tuple(sensors), annotations
        self._payload_bytes = payload_bytes
        self._told = set[tuple[str, str]]()
        self._cached = lru_cache(maxsize=1024)(self._source)

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        own = [sensor.topic for sensor in self._sensors]
        return (*own, self._annotations.topic) if self._annotations else tuple(own)

    def arrivals(self, batch: Sequence[Delivery], received_ns: int) -> list[Arrival]:
        """An item for each message, malformed ones among them; never an error."""
        return [self._arrival(delivery, received_ns) for delivery in batch]

    def _arrival(self, delivery: Delivery, received_ns: int) -> Arrival:
        topic, payload, again = delivery.topic, delivery.payload, delivery.again
        try:
            if len(payload) > self._payload_bytes:
                raise InvalidPayload("size", f"{len(payload)} bytes are more than allowed")
            # A foreign topic may be 64 kB: only short ones are worth remembering.
            source = self._cached(topic) if len(topic) < 256 else self._source(topic)
            if source is None:
                raise InvalidPayload("topic", "no sensor has this topic")
            if isinstance(source, AnnotationTopic):
                return Arrival(source.read(payload))
            readings, telling = source.read(topic, payload, received_ns)
        except InvalidPayload as error:
            self._tell(topic, error)
            return Arrival(Malformed(_of_delivery(delivery), error.reason), not again)
        if telling:
            return Arrival(readings)
        known_by_delivery = type(readings)(
            readings.sensor, _of_delivery(delivery), readings.times_N, readings.values_NC
        )
        return Arrival(known_by_delivery, not again)

    def _tell(self, topic: str, error: InvalidPayload) -> None:
        """Log the first message of a kind; no value of a sensor is in it."""
        source = self._cached(topic) if len(topic) < 256 else None
        name = source.name if isinstance(source, Sensor) else "annotations" if source else "topics"
        if (name, error.reason) not in self._told:
            self._told.add((name, error.reason))
            _LOG.warning(
                "%s: a message of %r is malformed (%s). Compare what is sent there with the"
                " declaration; further ones are only counted, as malformed_%s",
                name, topic[:80], error, error.reason)  # fmt: skip

    def _source(self, topic: str) -> Sensor | AnnotationTopic | None:
        if not topic.isprintable():  # nor can a broken topic be stored with a reading
            return None
        if self._annotations and topic_matches_sub(self._annotations.topic, topic):
            return self._annotations
        return next((sensor for sensor in self._sensors if sensor.matches(topic)), None)


def _of_delivery(delivery: Delivery) -> str:
    """An identity of the delivery: a repetition has it too, as long as it is unanswered."""
    digest = hashlib.blake2b(delivery.payload, digest_size=16)
    digest.update(delivery.topic.encode("utf-8", "surrogateescape"))
    return f"{delivery.number} {digest.hexdigest()}"
