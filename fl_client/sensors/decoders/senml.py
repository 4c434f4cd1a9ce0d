"""SenML payloads (RFC 8428): a field is a resolved name, such as ``urn:dev:mac:01020304:acc_x``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import nanoseconds
from fl_client.sensors.decoders.senml_pack import (
    InvalidSenml,
    SenmlRecord,
    records_of_cbor,
    records_of_json,
)
from fl_common.errors import InvalidConfiguration

_FORMS: Mapping[str, Callable[[bytes, float], list[SenmlRecord]]] = {
    "json": records_of_json,
    "cbor": records_of_cbor,
}


class SenmlDecoder:
    """SenML in ``form`` json or cbor.

    Records with the same time make one row. Names that are not fields are ignored. ``units`` are
    the required units of records, by field; a record with another unit is refused, since its number
    would be misread. A boolean counts as 1 or 0.

    Raises:
        InvalidConfiguration: an unknown form.
    """

    def __init__(self, form: Literal["json", "cbor"], units: Mapping[str, str]) -> None:
        if form not in _FORMS:
            raise InvalidConfiguration(f"form={form}", "must be json or cbor", "Set one of them")
        self._records = _FORMS[form]
        self._units = dict(units)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        try:
            records = self._records(payload, received_ns / 1e9)
        except InvalidSenml as error:
            raise InvalidPayload(error.reason, str(error)) from error
        columns = {field: column for column, field in enumerate(fields)}
        records = [record for record in records if record.name in columns]
        if not records:
            raise InvalidPayload("empty", f"has none of {', '.join(fields)[:200]}")
        rows = {time: row for row, time in enumerate(dict.fromkeys(r.time for r in records))}
        values_NC = np.full((len(rows), len(fields)), np.nan)
        for record in records:
            values_NC[rows[record.time], columns[record.name]] = self._value(record)
        times_N = nanoseconds(list(rows))
        return Decoded(times_N, values_NC, None, not _any_relative(records))

    def _value(self, record: SenmlRecord) -> float:
        wanted = self._units.get(record.name)
        if record.unit is not None and wanted is not None and record.unit != wanted:
            raise InvalidPayload("unit", f"{record.name} is in {record.unit!r}, not {wanted!r}")
        if not isinstance(record.value, float | bool):
            raise InvalidPayload("type", f"{record.name} has no numeric value")
        return float(record.value)


def _any_relative(records: Sequence[SenmlRecord]) -> bool:
    return any(record.relative for record in records)
