"""Sparkplug B: metrics of edge nodes and devices, whose names their births say.

Written from the specification, version 3.0: topics (section 4), births, data and deaths (5 and 6).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import checked_texts, columns
from fl_client.sensors.decoders.sparkplug_births import Birth, Births, Metric
from fl_client.sensors.decoders.sparkplug_payload import payload_of
from fl_client.sensors.decoders.times import stamps

_NAMESPACE = "spBv1.0"
_BITS = {1: 8, 2: 16, 3: 32, 4: 64, 5: 8, 6: 16, 7: 32, 8: 64}
"""Bits of the whole numbers among the data types; those up to 4 have a sign."""
_SIGNED = 4
_NO_BIRTH = "ask for a rebirth (Node Control/Rebirth), or let data have names and types"


class SparkplugDecoder:
    """Births and data of Sparkplug B; a field is a metric's name, such as ``Inputs/A``.

    The topic filter of a device is ``spBv1.0/GROUP/+/NODE/DEVICE``, of an edge node
    ``spBv1.0/GROUP/+/NODE``: births come with data, by which alias and type of a metric are known.
    They are kept in the file ``births`` for the next start. Metrics with the same time make one
    row, a historical one at its own time; null is missing. The order is that of times, so sequence
    numbers are not looked at: a filter for one device never hears all of them. Deaths and commands
    have no readings, and count by these names. ``texts`` are the numbers that a field's texts stand
    for, by field and text.

    Raises:
        InvalidConfiguration: a text without a number.
    """

    def __init__(self, births: str, texts: Mapping[str, Mapping[Any, float | None]]) -> None:
        self._births, self._texts = Births(Path(births)), checked_texts(texts)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``; refuses all, for without its topic a payload has no meaning."""
        raise InvalidPayload("sparkplug", "a payload without its topic")

    def decode_from(
        self, address: str, payload: bytes, fields: tuple[str, ...], received_ns: int
    ) -> Decoded:
        """See ``ReadsAddresses``."""
        kind, device = _kind_and_device(address)
        if kind == "DEATH":
            self._births.forget(device)
            raise InvalidPayload("death", "an edge node or device is gone")
        if kind == "CMD":
            raise InvalidPayload("command", "a command to a device, no reading")
        content = payload_of(payload)
        if kind == "BIRTH":
            self._births.keep(device, _birth(content))
        birth = self._births.of(device)
        rows: dict[int, dict[str, object]] = {}
        for metric in content.metrics:
            known = _known(metric, birth)
            if known.name in fields:
                time = _time_ms(metric, content, known.name)
                rows.setdefault(time, {})[known.name] = _value(metric, known)
        if not rows:
            reason = "empty" if kind == "BIRTH" else "other"  # a birth has every metric
            raise InvalidPayload(reason, f"has none of {', '.join(fields)[:200]}")
        values = [[row.get(field) for field in fields] for row in rows.values()]
        return Decoded(stamps(list(rows), "ms"), columns(values, fields, self._texts), None)


def _kind_and_device(address: str) -> tuple[str, str]:
    """BIRTH, DATA, DEATH or CMD, and whose: group and node, or group, node and device."""
    levels = address.split("/")
    if levels[0] != _NAMESPACE or len(levels) not in (4, 5):
        raise InvalidPayload("sparkplug", "a topic that is none of Sparkplug B's")
    _, group, kind, *device = levels
    level = "N" if len(device) == 1 else "D"
    if kind[:1] != level or kind[1:] not in ("BIRTH", "DATA", "DEATH", "CMD"):
        raise InvalidPayload("sparkplug", "a topic with an unknown type of message")
    return kind[1:], "/".join((group, *device))


def _birth(content: Any) -> Birth:
    metrics = [(m, Metric(m.name, m.datatype)) for m in content.metrics if m.name]
    by_alias = {metric.alias: named for metric, named in metrics if metric.HasField("alias")}
    return Birth(by_alias, {named.name: named for _, named in metrics})


def _known(metric: Any, birth: Birth | None) -> Metric:
    """A metric's name and type: its own, else those of the birth."""
    if metric.name:
        born = birth.by_name.get(metric.name) if birth else None
    elif birth is None:
        raise InvalidPayload("birth", f"has an alias, and its birth was not heard: {_NO_BIRTH}")
    elif (born := birth.by_alias.get(metric.alias)) is None:
        raise InvalidPayload("birth", f"has an alias that its birth does not have: {_NO_BIRTH}")
    return Metric(metric.name or born.name, metric.datatype or (born.datatype if born else 0))  # type: ignore[union-attr]


def _time_ms(metric: Any, content: Any, name: str) -> int:
    if metric.HasField("timestamp"):
        return int(metric.timestamp)
    if metric.is_historical or not content.HasField("timestamp"):
        raise InvalidPayload("time", f"{name[:80]} has no time")
    return int(content.timestamp)


def _value(metric: Any, known: Metric) -> object:
    kind = metric.WhichOneof("value")
    if metric.is_null or kind is None:
        return None
    value = getattr(metric, kind)
    if kind in ("int_value", "long_value"):
        return _whole(value, known)
    return value


def _whole(value: int, known: Metric) -> int:
    """A whole number, which is sent without its sign."""
    if known.datatype not in _BITS:
        if known.datatype:
            return value
        raise InvalidPayload("birth", f"{known.name[:80]} has no type: {_NO_BIRTH}")
    bits = _BITS[known.datatype]
    value &= 2**bits - 1
    return value - 2**bits if known.datatype <= _SIGNED and value >= 2 ** (bits - 1) else value
