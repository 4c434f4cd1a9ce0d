"""Records: objects with a stamp and fields, in any of several forms, at any place of a payload."""

from collections.abc import Mapping, Sequence
from typing import Any

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.forms import FORMS
from fl_client.sensors.decoders.numbers import checked_texts, columns
from fl_client.sensors.decoders.paths import at, path_of, paths_of, plain_text, short_text
from fl_client.sensors.decoders.times import ARRIVAL, check_time, stamps
from fl_common.configuration.rules import one_of, require
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Integers

_Record = dict[str, Any]


class RecordDecoder:
    """An object with a stamp and fields, or several of them: one reading each.

    ``form`` is json (an object or a list of objects), json_lines, cbor, influx (points of the line
    protocol) or value (the payload is the field ``value``). ``at`` is the path of the records
    inside, None if they are the payload itself. Of several, those count whose texts are those of
    ``where``, by path. If there is a list at ``time``, so there is at each field: one reading for
    each place.

    A path is keys joined by dots ("imu.acc.0": a whole number is an index of a list). ``time`` is
    the path of the stamp, in ``time_unit`` s, ms, us or ns since 1970, or iso; or "arrival", with
    None for the unit. ``id`` is the path of the message's own identity, None if it has none. A
    field that is absent or null is missing. ``texts`` are the numbers that a field's texts stand
    for, by field and text; see ``numbers.columns`` for what needs none.

    Raises:
        InvalidConfiguration: an unknown form or unit of time, or a text without a number.
    """

    def __init__(
        self,
        form: str,
        at: str | None,
        where: Mapping[str, str],
        time: str,
        time_unit: str | None,
        id: str | None,
        texts: Mapping[str, Mapping[Any, float | None]],
    ) -> None:
        require("form", form, one_of(FORMS))
        check_time(time, time_unit)
        self._records, self._at = FORMS[form], None if at is None else path_of(at)
        self._where = {path_of(path): plain_text(text) for path, text in where.items()}
        self._time = None if time == ARRIVAL else path_of(time)
        self._unit = time_unit or ""
        self._id = None if id is None else path_of(id)
        self._texts = checked_texts(texts)

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        if unknown := sorted(set(self._texts) - set(fields)):
            rule = f"must be a field of the sensor ({', '.join(fields)})"
            raise InvalidConfiguration(f"texts.{unknown[0]}", rule, "Correct the name")

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        records = self._found(self._records(payload))
        identity = None
        if self._id is not None:
            identity = short_text(at(records[0], self._id), "id")
        if self._time is None:
            times_N, rows = _arrived(len(records), received_ns), _rows(records, fields)
        else:
            sent = [at(record, self._time) for record in records]
            if len(sent) == 1 and type(sent[0]) is list:
                sent, rows = sent[0], _turned(records[0], fields, len(sent[0]))
            else:
                rows = _rows(records, fields)
            times_N = stamps(sent, self._unit)
        values_NC = columns(rows, fields, self._texts)
        return Decoded(times_N, values_NC, identity, self._time is not None)

    def _found(self, value: Any) -> list[_Record]:
        """The records in ``value``: where ``at`` says, and as ``where`` wants them."""
        if self._at is not None:
            inside = [at(one, self._at) for one in (value if isinstance(value, list) else [value])]
            value = [one for found in inside for one in (found if _is_list(found) else [found])]
        records = value if isinstance(value, list) else [value]
        if not records or not all(isinstance(one, dict) for one in records):
            raise InvalidPayload("structure", "neither an object nor a list of objects")
        if self._where:
            records = [one for one in records if self._is_meant(one)]
            if not records:
                raise InvalidPayload("other", "has no record as where wants it")
        return records

    def _is_meant(self, record: _Record) -> bool:
        return all(plain_text(at(record, path)) == text for path, text in self._where.items())


def _is_list(value: object) -> bool:
    return isinstance(value, list)


def _rows(records: Sequence[_Record], fields: tuple[str, ...]) -> list[list[object]]:
    paths = paths_of(fields)
    if paths is None:
        return [list(map(one.get, fields)) for one in records]
    return [[at(one, path) for path in paths] for one in records]


def _turned(record: _Record, fields: tuple[str, ...], length: int) -> list[list[object]]:
    """Rows from an object with a list in each field."""
    if not length:
        raise InvalidPayload("structure", "has lists without any value")
    found: list[list[object]] = []
    for field in fields:
        values = at(record, path_of(field))
        if values is None:
            values = [None] * length
        if not isinstance(values, list) or len(values) != length:
            raise InvalidPayload("structure", f"{field[:80]} has not one value for each stamp")
        found.append(values)
    return [list(row) for row in zip(*found, strict=True)]


def _arrived(count: int, received_ns: int) -> Integers:
    if count > 1:
        detail = "several readings in one message need stamps of their own"
        raise InvalidPayload("time", f"{detail}, not the time of its arrival")
    return stamps([received_ns], "ns")
