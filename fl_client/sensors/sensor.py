"""A declared sensor: from a payload to readings in the task's units."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Decoded, Decoder, InvalidPayload, Readings
from fl_client.sensors.transports import Delivery
from fl_client.sensors.units import conversion
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.kinds import DECODER, check_extension
from fl_common.vocabulary import Floats, Task

_DAY_NS = 86_400 * 10**9
_LONG = 200  # identities use the digest of a longer address
_FEW = 64  # values
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel of the task, and how the sensor sends it.

    ``field`` locates it in the payload, in the decoder's notation. ``unit`` is the unit it is sent
    in. If ``scale`` and ``offset`` are given, the task's number is ``sent * scale + offset``, and
    the units are not converted.
    """

    name: str
    field: str
    unit: str
    scale: float | None = None
    offset: float | None = None


class Sensor:
    """One stream of readings: the messages to ``topic``, its transport's address.

    Raises:
        InvalidConfiguration: a channel is unknown or given twice, a unit can't be converted, or the
            decoder does not follow the protocol.
    """

    def __init__(
        self, name: str, topic: str, decoder: Decoder, channels: Sequence[Channel], task: Task
    ) -> None:
        check_extension(DECODER, decoder)
        names = [channel.name for channel in channels]
        if not names or len(set(names)) < len(names) or set(names) - set(task.channels):
            rule = f"must name channels of the task ({', '.join(task.channels)}), each once"
            raise InvalidConfiguration(f"sensor {name}, channels {names}", rule, "Correct them")
        self.name, self.topic, self.channels = name, topic, tuple(names)
        self._decoder = decoder
        self._fields = tuple(channel.field for channel in channels)
        factors = [_conversion(channel, task) for channel in channels]
        self._scale_C = np.array([scale for scale, _ in factors])
        self._offset_C = np.array([offset for _, offset in factors])
        self._in_task_units = all(factor == (1.0, 0.0) for factor in factors)

    def read(self, delivery: Delivery, received_ns: int) -> tuple[Readings, bool]:
        """The readings in a message, and whether their id identifies a repetition.

        Raises:
            InvalidPayload: it does not fit the sensor's declaration.
        """
        decoded = self._decoder.decode(delivery.payload, self._fields, received_ns)
        times_N = decoded.times_N
        latest = times_N.item() if len(times_N) == 1 else times_N.max()
        if latest > received_ns + _DAY_NS:
            raise InvalidPayload("future", "a time stamp lies more than a day ahead")
        values_NC = self._converted_NC(decoded.values_NC)
        readings = Readings(self.name, _identity(delivery, decoded), times_N, values_NC)
        return readings, decoded.own_times or decoded.id is not None

    def _converted_NC(self, values_NC: NDArray[np.float64]) -> Floats:
        """The values in the task's units, finite or NaN where a reading lacks a channel."""
        if not self._in_task_units:
            values_NC = values_NC * self._scale_C + self._offset_C
        if not _plain(values_NC):
            if (np.abs(values_NC) > _LARGEST).any():
                raise InvalidPayload("number", "a number is not finite, or too large for float32")
            if np.isnan(values_NC).all():
                raise InvalidPayload("empty", f"has none of {', '.join(self._fields)[:200]}")
        return values_NC.astype(np.float32)


def _identity(delivery: Delivery, decoded: Decoded) -> str:
    """The message's own id, else its first time stamp and, where its sender gave one, that too."""
    address = delivery.address
    if len(address) > _LONG:
        address = hashlib.blake2b(address.encode(), digest_size=16).hexdigest()
    if decoded.id is not None:
        return f"{address} {decoded.id}"
    identity = f"{address} {decoded.times_N.item(0)}"
    return f"{identity} {delivery.identity}" if delivery.by_sender else identity


def _plain(values_NC: NDArray[np.float64]) -> bool:
    """Whether all are finite and fit into float32; few values avoid numpy's fixed cost."""
    if values_NC.size > _FEW:
        return bool((np.abs(values_NC) <= _LARGEST).all())
    values = values_NC.ravel().tolist()
    return math.isfinite(sum(values)) and min(values) >= -_LARGEST and max(values) <= _LARGEST


def _conversion(channel: Channel, task: Task) -> tuple[float, float]:
    if channel.scale is None and channel.offset is None:
        return conversion(channel.unit, task.units[task.channels.index(channel.name)])
    scale = 1.0 if channel.scale is None else channel.scale
    return scale, channel.offset or 0.0
