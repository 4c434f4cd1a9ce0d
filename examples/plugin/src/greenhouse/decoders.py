"""The climate sensors' own form: few bytes, for they send by radio."""

from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import check_places, places
from fl_client.sensors.decoders.times import nanoseconds
from fl_common.configuration.rules import above, require

_STAMP = 4


class Hundredths:
    """A time stamp, then rows of numbers in hundredths: ``columns`` names those of a row.

    Big-endian: uint32 seconds since 1970 of the first row, then int16 numbers. Rows follow each
    other at ``rate_hz``.

    Raises:
        InvalidConfiguration: ``rate_hz`` is not above 0.
    """

    def __init__(self, columns: Sequence[str], rate_hz: float) -> None:
        require("rate_hz", rate_hz, above(0))
        self._columns, self._rate_hz = tuple(columns), rate_hz

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        check_places(fields, self._columns)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        body, row = payload[_STAMP:], 2 * len(self._columns)
        if not body or len(body) % row:
            raise InvalidPayload(
                "length", f"{len(payload)} bytes are not {_STAMP} and rows of {row}"
            )
        hundredths = np.frombuffer(body, ">i2").reshape(-1, len(self._columns))
        first = int.from_bytes(payload[:_STAMP], "big")
        times_N = nanoseconds(first + np.arange(len(hundredths)) / self._rate_hz)
        return Decoded(times_N, hundredths[:, places(fields, self._columns)] / 100.0, None)
