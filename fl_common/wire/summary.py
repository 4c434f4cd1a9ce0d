"""Facts about a message for logs and metrics, without reading all of it."""

import json

from flwr.app import ArrayRecord, ConfigRecord, MetricRecord, RecordDict

from fl_common.wire.messages import HEAD, REFUSAL

FlowerRecord = ArrayRecord | MetricRecord | ConfigRecord


def read_reason(content: RecordDict) -> str | None:
    """The reason of a refusal; None for any other content."""
    head = content.get(HEAD)
    if not isinstance(head, ConfigRecord) or head.get("kind") != REFUSAL:
        return None
    return str(head.get("reason"))


def read_run(content: RecordDict) -> str | None:
    """The run of an instruction; None if the message has no run."""
    head = content.get(HEAD)
    try:
        return str(json.loads(str(head["plan"]))["run"]) if isinstance(head, ConfigRecord) else None
    except (TypeError, KeyError, ValueError):
        return None


def count_bytes(content: RecordDict) -> int:
    """Bytes of all records: serialised arrays, keys and values, without the transport's framing."""
    return sum(map(_bytes_of_record, content.values()))


def _bytes_of_record(record: FlowerRecord) -> int:
    """As Flower counts, but also for an empty text or list, for which Flower raises."""
    if isinstance(record, ArrayRecord):
        return int(record.count_bytes())
    return sum(len(key) + _bytes_of_value(value) for key, value in record.items())


def _bytes_of_value(value: object) -> int:
    if isinstance(value, list):
        return sum(map(_bytes_of_value, value))
    if isinstance(value, str | bytes):
        return len(value)
    return 1 if isinstance(value, bool) else 8
