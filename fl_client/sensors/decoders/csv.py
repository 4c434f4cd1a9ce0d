"""Lines of separated values, with a heading or without."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.forms import text_of
from fl_client.sensors.decoders.numbers import check_places, checked_texts, columns, places
from fl_client.sensors.decoders.times import ARRIVAL, check_time, stamps
from fl_common.configuration.rules import one_of, require
from fl_common.errors import InvalidConfiguration


class CsvDecoder:
    """One reading per line; ``columns`` names the values of a line, in order.

    None for ``columns``: each payload has a heading, a first line that names them. ``time`` is the
    name of the column with the stamp, in ``time_unit`` s, ms, us or ns since 1970, or iso; or
    "arrival", with None for the unit. ``decimal`` is the decimal mark, "." or ",". An empty value
    is missing; a value may stand in double quotes; blank lines and a byte-order mark count for
    nothing. ``texts`` are the numbers that a field's texts stand for, by field and text.

    Raises:
        InvalidConfiguration: ``time`` is not a column, a name is given twice, the unit of time is
            unknown, or the separator is not one character, or is the decimal mark.
    """

    def __init__(
        self,
        columns: Sequence[str] | None,
        time: str,
        time_unit: str | None,
        separator: str,
        decimal: str,
        texts: Mapping[str, Mapping[Any, float | None]],
    ) -> None:
        check_time(time, time_unit)
        require("decimal", decimal, one_of([".", ","]))
        if len(separator) != 1 or separator in f'{decimal}"\r\n':
            rule = "must be one character, not a quote, a line's end or the decimal mark"
            raise InvalidConfiguration(f"separator={separator!r}", rule, "Set what is sent")
        self._names = None if columns is None else tuple(map(str, columns))
        self._time, self._unit = None if time == ARRIVAL else time, time_unit or ""
        self._separator, self._decimal = separator, decimal
        self._texts = checked_texts(texts)
        if self._names is not None:
            self._check_names(self._names)

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        if self._names is not None:
            check_places(fields, self._names)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        lines = self._lines(text_of(payload))
        names = self._names
        if names is None:
            if not lines:
                raise InvalidPayload("structure", "has no heading")
            names = tuple(name.strip() for name in lines.pop(0))
        if not lines:
            raise InvalidPayload("structure", "has no line with values")
        for line in lines:
            if len(line) != len(names):
                rule = f"a line has {len(line)} values, not {len(names)}"
                raise InvalidPayload("structure", rule)
        indices = places(fields, names)
        rows = [[self._value(line[index]) for index in indices] for line in lines]
        if self._time is None:
            if len(lines) > 1:
                raise InvalidPayload("time", "several lines need stamps of their own")
            times_N = stamps([received_ns], "ns")
        else:
            (place,) = places([self._time], names)
            times_N = stamps([self._value(line[place]) for line in lines], self._unit)
        values_NC = columns(rows, fields, self._texts)
        return Decoded(times_N, values_NC, None, self._time is not None)

    def _lines(self, text: str) -> list[list[str]]:
        """The values of each line that has any."""
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=self._separator, strict=True)
        try:
            return [line for line in reader if any(value.strip() for value in line)]
        except csv.Error as error:
            raise InvalidPayload("csv", str(error)) from error

    def _value(self, text: str) -> str | None:
        text = text.strip()
        return (text.replace(",", ".") if self._decimal == "," else text) or None

    def _check_names(self, names: tuple[str, ...]) -> None:
        needed = [] if self._time is None else [self._time]
        if len(set(names)) < len(names) or set(needed) - set(names):
            rule = f"must name each column once, {self._time} among them"
            raise InvalidConfiguration(f"columns={names}", rule, "Correct the names")
