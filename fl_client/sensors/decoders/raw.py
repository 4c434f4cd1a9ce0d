"""Raw arrays: a time stamp, if any, then the rows."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import check_places, places
from fl_client.sensors.decoders.times import ARRIVAL, unlikely
from fl_common.configuration.rules import one_of, require
from fl_common.errors import InvalidConfiguration

_TYPES = {"float32": "f4", "float64": "f8", "int8": "i1", "uint8": "u1", "int16": "i2"}
_TYPES |= {"uint16": "u2", "int32": "i4", "uint32": "u4"}
_ORDERS = {"little": "<", "big": ">"}
_STAMP = 8  # bytes


class RawDecoder:
    """The first stamp as int64 nanoseconds since 1970, then N rows of ``columns`` in ``type``.

    The rows follow each other at ``rate_hz``. NaN in a float type is a missing value.
    ``byte_order`` is little or big, of the stamp and of the values. If ``time`` is "arrival"
    instead of "stamp", there is no stamp: the last row is of the time of arrival.

    Raises:
        InvalidConfiguration: an unknown type or byte order, a rate that is not above 0, or a
            duplicate name.
    """

    def __init__(
        self,
        columns: Sequence[str],
        type: str,
        rate_hz: float,
        byte_order: Literal["little", "big"],
        time: Literal["stamp", "arrival"],
    ) -> None:
        self._names = tuple(map(str, columns))
        if type not in _TYPES:
            raise InvalidConfiguration(
                f"type={type}", f"must be one of {', '.join(_TYPES)}", "Set the type of the values"
            )
        require("byte_order", byte_order, one_of(_ORDERS))
        require("time", time, one_of(["stamp", ARRIVAL]))
        if not 0 < rate_hz <= 1e9:
            rule = "must lie above 0 and be at most 1e9"
            raise InvalidConfiguration(f"rate_hz={rate_hz}", rule, "Set the sensor's own rate")
        if not self._names or len(set(self._names)) < len(self._names):
            rule = "must name each column once"
            raise InvalidConfiguration(f"columns={self._names}", rule, "Correct the names")
        self._type, self._rate_hz = np.dtype(_ORDERS[byte_order] + _TYPES[type]), rate_hz
        self._order: Literal["little", "big"] = byte_order
        self._stamp = 0 if time == ARRIVAL else _STAMP

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        check_places(fields, self._names)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        row = len(self._names) * self._type.itemsize
        if len(payload) < self._stamp + row or (len(payload) - self._stamp) % row:
            rule = f"{len(payload)} bytes are not {self._stamp} and rows of {row}"
            raise InvalidPayload("length", rule)
        values_NC = np.frombuffer(payload, self._type, offset=self._stamp)
        values_NC = values_NC.reshape(-1, len(self._names))
        steps_N = (np.arange(len(values_NC)) * (1e9 / self._rate_hz)).round()
        if self._stamp:
            first = int.from_bytes(payload[:_STAMP], self._order, signed=True)
        else:
            first = received_ns - int(steps_N[-1])
        if not 0 <= first < 2**63 - 1 - int(steps_N[-1]):
            raise unlikely(first)
        wanted = values_NC if fields == self._names else values_NC[:, places(fields, self._names)]
        with np.errstate(invalid="ignore"):  # a float32 may have any bits
            values = wanted.astype(np.float64)
        return Decoded(first + steps_N.astype(np.int64), values, None, bool(self._stamp))
