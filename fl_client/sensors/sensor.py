"""A declared sensor: from a payload to readings in the task's units."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import (
    Decoded,
    Decoder,
    InvalidPayload,
    KnowsFields,
    Readings,
    ReadsAddresses,
    frame_of,
    retains_nothing,
)
from fl_client.sensors.decoders.times import check_times
from fl_client.sensors.identity import Identity, identity_of
from fl_client.sensors.lacking import Lacking, place_of
from fl_client.sensors.topics import StreamLevels
from fl_client.sensors.transports import Delivery
from fl_client.sensors.units import conversion
from fl_common.configuration.printable import require_printable
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.kinds import DECODER, check_extension
from fl_common.vocabulary import Doubles, Floats, Integers, Task

_FEW = 64  # values
_LONGEST = 32  # characters of a reason
_LARGEST = float(np.finfo(np.float32).max)
_TIME, _VALUE, _PIXEL = np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.float32)
_Units = tuple[str | None, ...]
_Factors = tuple[Doubles, Doubles] | tuple[Floats, Floats]


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
    """A source of readings: the messages to ``topic``, its transport's address.

    ``stream`` are the levels of the topic, counted from 1, that name the stream of a message; None:
    all are of the one stream without a name (``StreamLevels``).

    Raises:
        InvalidConfiguration: a channel is unknown or given twice, a unit can't be converted, a
            wildcard names no stream, or the decoder does not follow the protocol, can't have one of
            the fields, or gives no pictures of the task's size; or its name, its topic or a label
            of the task has a hidden character.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        decoder: Decoder,
        channels: Sequence[Channel],
        task: Task,
        stream: int | Sequence[int] | None = None,
    ) -> None:
        check_extension(DECODER, decoder)
        require_printable("sensor", name)
        require_printable("topic", topic)
        for label in task.labels:
            require_printable("label", label)
        names = [channel.name for channel in channels]
        if not names or len(set(names)) < len(names) or set(names) - set(task.channels):
            rule = f"must name channels of the task ({', '.join(task.channels)}), each once"
            raise InvalidConfiguration(f"sensor {name}, channels {names}", rule, "Correct them")
        self.name, self.topic, self.channels = name, topic, tuple(names)
        self.stream_levels = StreamLevels(f"sensor {name}", topic, stream)
        self.stream_levels.check_tells_apart()
        self._decoder, self._declared, self._task = decoder, tuple(channels), task
        self.retains_nothing, self._frame = retains_nothing(decoder), frame_of(decoder)
        self._check_frame()
        self._fields = tuple(channel.field for channel in channels)
        if isinstance(decoder, KnowsFields):
            decoder.check_fields(self._fields)
        self._of_address = decoder.decode_from if isinstance(decoder, ReadsAddresses) else None
        self._lacking = Lacking(self._fields)
        self._declared_factors = self._new_factors((None,) * len(names))
        self._factors = lru_cache(maxsize=64)(self._new_factors)

    @property
    def picture_bytes(self) -> int:
        """What a picture takes in memory, whatever its message takes; 0: it sends numbers."""
        return 4 * len(self.channels) * self._pixels if self._frame else 0

    def lacking(self) -> tuple[str, ...]:
        """The declared fields that no message had, once there were enough messages to say so."""
        return self._lacking.fields()

    def read(self, delivery: Delivery, received_ns: int) -> tuple[Readings, Identity]:
        """The readings in a message, and the message's identity.

        Raises:
            InvalidPayload: it does not fit the sensor's declaration, or the decoder failed.
        """
        decoded = self._decoded(delivery, received_ns)
        times_N = decoded.times_N
        check_times(times_N)
        values_NC = self._in_task_units_NC(decoded)
        if not _plain(values_NC):
            times_N, values_NC = self._with_gaps(times_N, values_NC)
        elif self._lacking:
            self._lacking.has_all()
        identity = identity_of(delivery, decoded)
        values = values_NC.astype(np.float32, copy=False)
        own, stream = decoded.own_times, self.stream_levels.name_of(delivery.address)
        return Readings(self.name, identity.id, times_N, values, own, stream), identity

    def _decoded(self, delivery: Delivery, received_ns: int) -> Decoded:
        payload, fields = delivery.payload, self._fields
        try:
            if self._of_address is None:
                decoded = self._decoder.decode(payload, fields, received_ns)
            else:
                decoded = self._of_address(delivery.address, payload, fields, received_ns)
            self._check_form(decoded)
            return decoded
        except InvalidPayload as error:
            if error.reason.isidentifier() and len(error.reason) <= _LONGEST:
                raise
            detail = f"{type(self._decoder).__name__} gives a reason that is not one word"
            raise InvalidPayload("decoder", detail) from error  # it would be the label of a metric
        except Exception as error:  # of an extension: one bad message must not end the sensing
            detail = f"{type(self._decoder).__name__} fails {place_of(error, self._fields)}"
            raise InvalidPayload("decoder", detail) from error

    def _in_task_units_NC(self, decoded: Decoded) -> NDArray[np.float64] | Floats:
        units = decoded.units
        factors = self._declared_factors if units is None else self._factors(units)
        return decoded.values_NC if factors is None else decoded.values_NC * factors[0] + factors[1]

    def _new_factors(self, sent: _Units) -> _Factors | None:
        """Scale and offset (C,) for values in the units ``sent``; None if nothing changes."""
        pairs = [_conversion(*pair, self._task) for pair in zip(self._declared, sent, strict=True)]
        if all(pair == (1.0, 0.0) for pair in pairs):
            return None
        scale_C, offset_C = np.array(pairs).T
        if self._frame is None:
            return scale_C, offset_C
        return _repeated(scale_C, self._pixels), _repeated(offset_C, self._pixels)

    @property
    def _pixels(self) -> int:
        """The numbers that a reading has for each channel."""
        return 1 if self._frame is None else self._frame[0] * self._frame[1]

    def _check_frame(self) -> None:
        """Refuse pictures that are not the task's, and numbers where it has pictures."""
        shape, frame = tuple(self._task.window_shape), self._frame
        if (frame is None) == (len(shape) != 3) and frame in (None, shape[1:]):
            return
        sent = (
            "numbers"
            if frame is None
            else f"pictures [{len(self.channels)}, {frame[0]}, {frame[1]}]"
        )
        raise InvalidConfiguration(
            f"sensor {self.name}, which sends {sent}",
            f"must send windows of the task, which are {list(shape)}",
            "Give the decoder that is sent, or task.window_shape [channels, height, width] of the"
            " picture that the decoder gives",
        )

    def _check_form(self, decoded: Decoded) -> None:
        """TypeError unless it has N times, at least one, and a number for each field, or pixel."""
        times_N, values_NC = decoded.times_N, decoded.values_NC
        if times_N.dtype != _TIME or times_N.ndim != 1 or not len(times_N):
            raise TypeError("not one int64 for each reading")
        width, of = len(self._fields) * self._pixels, _VALUE if self._frame is None else _PIXEL
        if values_NC.dtype != of or values_NC.shape != (len(times_N), width):
            raise TypeError(f"not one {of} for each reading and field")
        if self._frame is not None and len(times_N) > 1:
            raise TypeError("not one picture")

    def _with_gaps(
        self, times_N: Integers, values_NC: NDArray[np.float64] | Floats
    ) -> tuple[Integers, NDArray[np.float64] | Floats]:
        """The rows that have any value; refuses numbers that are not finite."""
        if self._frame is not None or (np.abs(values_NC) > _LARGEST).any():
            raise InvalidPayload("number", "a number is not finite, or too large for float32")
        there_NC = ~np.isnan(values_NC)
        self._lacking.has(there_NC)
        there_N = there_NC.any(1)
        if not there_N.any():
            raise InvalidPayload("empty", f"has none of {', '.join(self._fields)[:200]}")
        return (times_N, values_NC) if there_N.all() else (times_N[there_N], values_NC[there_N])


def _repeated(numbers_C: Doubles, pixels: int) -> Floats:
    return np.repeat(numbers_C.astype(np.float32), pixels)


def _plain(values_NC: NDArray[np.float64] | Floats) -> bool:
    """Whether all are finite and fit into float32; few values avoid numpy's fixed cost."""
    if values_NC.size > _FEW:
        return bool(values_NC.max() <= _LARGEST and values_NC.min() >= -_LARGEST)
    values = values_NC.ravel().tolist()
    return math.isfinite(sum(values)) and min(values) >= -_LARGEST and max(values) <= _LARGEST


def _conversion(channel: Channel, sent: str | None, task: Task) -> tuple[float, float]:
    """Scale and offset from what is sent, in the unit ``sent`` if the payload says it."""
    scaled = channel.scale is not None or channel.offset is not None
    if sent is not None and sent != channel.unit and scaled:
        detail = f"{channel.field[:80]} is sent in {sent[:20]!r}, and declared in {channel.unit!r}"
        raise InvalidPayload("unit", f"{detail} with a scale of its own")
    if scaled:
        return 1.0 if channel.scale is None else channel.scale, channel.offset or 0.0
    wanted = task.units[task.channels.index(channel.name)]
    try:
        return conversion(channel.unit if sent is None else sent, wanted)
    except InvalidConfiguration as error:
        if sent is None:
            raise
        detail = f"{channel.field[:80]} is sent in {sent[:20]!r}, which is no unit for {wanted}"
        raise InvalidPayload("unit", detail) from error
