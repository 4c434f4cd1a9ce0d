"""Sensors: which messages belong to which sensor, and how they become readings.

A sensor is declared: its topic, the format of its payloads (a ``Decoder``), the channels of the
task that it measures, and the unit it sends each in. Nothing is guessed from data. One message
becomes one item: readings, an annotation, or a malformed message that is counted.
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, Integers

__all__ = [
    "MOST_AHEAD_NS",
    "Annotation",
    "Decoded",
    "Decoder",
    "InvalidPayload",
    "Item",
    "KnowsFields",
    "Malformed",
    "Readings",
    "ReadsAddresses",
    "frame_of",
    "retains_nothing",
]

MOST_AHEAD_NS = 86_400 * 10**9
"""How far ahead of the box's clock an annotation may end, in nanoseconds: a day."""


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one sensor, from one message; N time stamps, C channels.

    ``times_N`` are the sensor's own stamps in nanoseconds since 1970, in the order sent.
    ``values_NC`` are in the task's units, in the order of the sensor's channels; NaN where a
    reading lacks a channel. A picture is one reading, with a number for each of its pixels: C is
    then channels x height x width, in this order. A second item with the same ``sensor`` and ``id``
    has no effect; the id is that of its topic, its own id or first time stamp, and its content
    (``sensors.identity``). ``own_times`` is false if the stamps are the box's own clock's, as the
    message came. Only readings of one ``stream`` make windows together.
    """

    sensor: str
    id: str
    times_N: Integers
    values_NC: Floats
    own_times: bool = True
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label of an interval: from ``from_ns`` (inclusive) to ``to_ns`` (exclusive), since 1970.

    It labels windows of its ``stream``. A second item with the same ``id`` there has no effect; it
    is that of the whole content.
    """

    id: str
    from_ns: int
    to_ns: int
    label: str
    stream: str = ""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that can't be used: counted as lost by ``reason``, a word; never stored.

    ``sensor`` is the one that it was meant for, None if there is none.
    """

    id: str
    reason: str
    sensor: str | None = None


Item = Readings | Annotation | Malformed
"""What a message is decoded to."""


class InvalidPayload(Exception):
    """A payload that does not fit its sensor's declaration.

    ``reason`` is one word (the label of a count), ``detail`` the explanation.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """The content of one payload, in the sensor's own units; N stamps, the C requested fields.

    ``id`` is the message's own identity, None if it has none. ``own_times`` is false if the stamps
    are relative to the time of arrival, and so can't identify a repetition. ``units`` are those in
    which the payload itself says that its fields are, None for a field of which it says none.

    A picture is float32, and one reading: all pixels of the first field, then those of the next.
    """

    times_N: Integers
    values_NC: NDArray[np.float64] | Floats
    id: str | None
    own_times: bool = True
    units: tuple[str | None, ...] | None = None


class Decoder(Protocol):
    """A decoder for one payload format; it may be a ``KnowsFields`` or ``ReadsAddresses``, too."""

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """The readings in ``payload``: a column for each of ``fields``, NaN for a missing value.

        ``received_ns`` (since 1970) is the time of arrival, for stamps that are relative to it.

        Infinite values are left to ``Sensor`` to refuse.

        Raises:
            InvalidPayload: the payload is not of this format; no other exception is raised.
        """
        ...


@runtime_checkable
class KnowsFields(Protocol):
    """A decoder that knows before the first payload which fields one can have."""

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """Check the fields that ``decode`` will be asked for.

        Raises:
            InvalidConfiguration: no payload can have one of them.
        """
        ...


@runtime_checkable
class ReadsAddresses(Protocol):
    """A decoder for payloads whose meaning depends on where they were sent to."""

    def decode_from(
        self, address: str, payload: bytes, fields: tuple[str, ...], received_ns: int
    ) -> Decoded:
        """As ``decode``, of a message to ``address``; called in its place."""
        ...


def retains_nothing(decoder: Decoder) -> bool:
    """Whether nothing of what it decodes is stored, unless the box's owner says so: as of sound.

    A decoder says it by an attribute of this name.
    """
    return bool(getattr(decoder, "retains_nothing", False))


def frame_of(decoder: Decoder) -> tuple[int, int] | None:
    """Height and width of the pictures that it decodes; None: it decodes numbers.

    A decoder says it by an attribute ``frame``.
    """
    found: tuple[int, int] | None = getattr(decoder, "frame", None)
    return found
