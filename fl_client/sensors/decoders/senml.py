"""SenML payloads (RFC 8428): a field is a resolved name, such as ``urn:dev:mac:01020304:acc_x``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.senml_pack import (
    InvalidSenml,
    SenmlRecord,
    records_of_cbor,
    records_of_json,
)
from fl_client.sensors.decoders.times import nanoseconds
from fl_common.errors import InvalidConfiguration

_FORMS: Mapping[str, Callable[[bytes, float], list[SenmlRecord]]] = {
    "json": records_of_json,
    "cbor": records_of_cbor,
}


class SenmlDecoder:
    """SenML in ``form`` json or cbor.

    Records with the same time make one row. Names that are not fields are ignored. A record's unit
    is said with it: ``Sensor`` converts it to what is declared, or refuses it. A boolean counts as
    1 or 0.

    Raises:
        InvalidConfiguration: an unknown form.
    """

    def __init__(self, form: Literal["json", "cbor"]) -> None:
        if form not in _FORMS:
            raise InvalidConfiguration(f"form={form}", "must be json or cbor", "Set one of them")
        self._records = _FORMS[form]

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
            values_NC[rows[record.time], columns[record.name]] = _value(record)
        times_N, own = nanoseconds(list(rows)), not _any_relative(records)
        return Decoded(times_N, values_NC, None, own, _units(records, fields))


def _value(record: SenmlRecord) -> float:
    if not isinstance(record.value, float | bool):
        raise InvalidPayload("type", f"{record.name[:80]} has no numeric value")
    return float(record.value)


def _units(records: Sequence[SenmlRecord], fields: Sequence[str]) -> tuple[str | None, ...]:
    """The unit in which each of ``fields`` is sent; None if no record says it."""
    found: dict[str, str] = {}
    for record in records:
        if record.unit is not None and found.setdefault(record.name, record.unit) != record.unit:
            detail = f"{record.name[:80]} is sent in {found[record.name][:20]!r}"
            raise InvalidPayload("unit", f"{detail} and in {record.unit[:20]!r}")
    return tuple(found.get(field) for field in fields)


def _any_relative(records: Sequence[SenmlRecord]) -> bool:
    return any(record.relative for record in records)
