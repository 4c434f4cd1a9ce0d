"""Sensors: whose messages come by which topic, and how they become readings.

A sensor is declared: its topic, the form of its payloads (a ``Decoder``, one per file here), the
channels of the task that it measures, and the unit it sends each in. Nothing is guessed from data.
One message becomes one item: readings, an annotation, or a malformed message that is counted.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, Integers

__all__ = [
    "Annotation",
    "Decoded",
    "Decoder",
    "InvalidPayload",
    "Item",
    "Malformed",
    "Readings",
]


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of one sensor, from one message; N time stamps, C channels.

    ``times_N`` are the sensor's own stamps in nanoseconds since 1970, in the order sent.
    ``values_NC`` are in the task's units, in the order of the sensor's channels; NaN where a
    reading lacks a channel. A second one with the same ``sensor`` and ``id`` has no effect: the id
    is the message's own, else its topic and first time stamp.
    """

    sensor: str
    id: str
    times_N: Integers
    values_NC: Floats


@dataclass(frozen=True, slots=True)
class Annotation:
    """A label of an interval: from ``from_ns`` (inclusive) to ``to_ns`` (exclusive), since 1970.

    A second one with the same ``id`` has no effect.
    """

    id: str
    from_ns: int
    to_ns: int
    label: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that can't be used: counted as lost under ``reason``, a word; never stored."""

    id: str
    reason: str


Item = Readings | Annotation | Malformed
"""What a message becomes."""


class InvalidPayload(Exception):
    """A payload that is not what its sensor declares.

    ``reason`` is one word (the label of a count), ``detail`` says more.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True)
class Decoded:
    """What one payload says, in the sensor's own units; N stamps, C fields as asked for.

    ``id`` is the message's own identity, None where it has none. ``own_times`` is false where the
    stamps were counted from the moment of arrival, so that they can't tell a repetition.
    """

    times_N: Integers
    values_NC: NDArray[np.float64]
    id: str | None
    own_times: bool = True


class Decoder(Protocol):
    """One form of payload."""

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """The readings in ``payload``: a column for each of ``fields``, NaN where it has none.

        ``received_ns`` (since 1970) is when it came, for stamps that are relative to it.

        Infinite values are left to ``Sensor`` to refuse.

        Raises:
            InvalidPayload: for every payload that is not of this form, and never anything else.
        """
        ...
