"""Raw little-endian arrays: a time stamp, then the rows."""

from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import places
from fl_common.errors import InvalidConfiguration

_TYPES = {"float32": "<f4", "float64": "<f8", "int8": "<i1", "uint8": "<u1", "int16": "<i2"}
_TYPES |= {"uint16": "<u2", "int32": "<i4", "uint32": "<u4"}
_STAMP = 8  # bytes


class RawDecoder:
    """The first stamp as int64 nanoseconds since 1970, then N rows of ``columns`` in ``type``.

    The rows follow each other at ``rate_hz``. NaN in a float type is a missing value.

    Raises:
        InvalidConfiguration: an unknown type, a rate that is not above 0, or a duplicate name.
    """

    def __init__(self, columns: Sequence[str], type: str, rate_hz: float) -> None:
        self._names = tuple(columns)
        if type not in _TYPES:
            raise InvalidConfiguration(
                f"type={type}", f"must be one of {', '.join(_TYPES)}", "Set the type of the values"
            )
        if not 0 < rate_hz <= 1e9:
            rule = "must lie above 0 and be at most 1e9"
            raise InvalidConfiguration(f"rate_hz={rate_hz}", rule, "Set the sensor's own rate")
        if not self._names or len(set(self._names)) < len(self._names):
            rule = "must name each column once"
            raise InvalidConfiguration(f"columns={self._names}", rule, "Correct the names")
        self._type, self._rate_hz = np.dtype(_TYPES[type]), rate_hz

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        row = len(self._names) * self._type.itemsize
        if len(payload) < _STAMP + row or (len(payload) - _STAMP) % row:
            rule = f"{len(payload)} bytes are not {_STAMP} and rows of {row}"
            raise InvalidPayload("length", rule)
        first = int.from_bytes(payload[:_STAMP], "little", signed=True)
        values_NC = np.frombuffer(payload, self._type, offset=_STAMP).reshape(-1, len(self._names))
        steps_N = np.arange(len(values_NC)) * (1e9 / self._rate_hz)
        if not 0 <= first < 2**63 - 1 - int(steps_N[-1]):
            raise InvalidPayload("time", "a time stamp lies outside 1970 to 2261")
        wanted = values_NC if fields == self._names else values_NC[:, places(fields, self._names)]
        with np.errstate(invalid="ignore"):  # a float32 may have any bits
            values = wanted.astype(np.float64)
        return Decoded(first + steps_N.round().astype(np.int64), values, None)
