"""Lines of separated values, without a header."""

from collections.abc import Sequence

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.json import check_time_unit
from fl_client.sensors.decoders.numbers import columns, places, stamps
from fl_common.errors import InvalidConfiguration


class CsvDecoder:
    """One reading per line; ``columns`` names the values of a line, in order.

    ``time`` is the name of the column with the stamp, in ``time_unit`` s, ms, us or ns since 1970.
    An empty value is missing. Lines end in LF or CRLF; there is no header and there are no quotes.

    Raises:
        InvalidConfiguration: ``time`` is not a column, a name is given twice, or the unit of time
            is unknown.
    """

    def __init__(self, columns: Sequence[str], time: str, time_unit: str, separator: str) -> None:
        check_time_unit(time_unit)
        self._names, self._unit, self._separator = tuple(columns), time_unit, separator
        if len(set(self._names)) < len(self._names) or time not in self._names:
            rule = f"must name each column once, {time} among them"
            raise InvalidConfiguration(f"columns={self._names}", rule, "Correct the names")
        self._time = self._names.index(time)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        try:
            lines = payload.decode("ascii").removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise InvalidPayload("text", str(error)) from error
        rows = [self._values(line.removesuffix("\r")) for line in lines]
        times_N = stamps([row[self._time] for row in rows], self._unit)
        indices = places(fields, self._names)
        values_NC = columns([[row[index] for index in indices] for row in rows], len(fields))
        return Decoded(times_N, values_NC, None)

    def _values(self, line: str) -> list[float | int | None]:
        texts = line.split(self._separator)
        if len(texts) != len(self._names):
            rule = f"a line has {len(texts)} values, not {len(self._names)}"
            raise InvalidPayload("structure", rule)
        return [_number(text.strip()) for text in texts]


def _number(text: str) -> float | int | None:
    if not text:
        return None
    try:
        number = int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise InvalidPayload("number", "a value is no number") from None
    if number != number:
        raise InvalidPayload("number", "NaN is not a number")
    return number
