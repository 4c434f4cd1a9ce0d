"""Facts about a message for logs and metrics, without reading all of it."""

import json
import math
from typing import Any

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
    run = _plan(content).get("run")
    return run if isinstance(run, str) else None


def read_work(content: RecordDict) -> str | None:
    """How much work an instruction with DP asks for, coarsely, by what the server sent alone.

    A power of two: steps times windows of a step times bytes of parameters. None for any other
    message, without DP, and where noise is seeded, which hides nothing.
    """
    plan = _plan(content)
    try:
        privacy, training = plan["privacy"], plan["training"]
        if privacy["unit"] == "none" or plan["seed"] is not None:
            return None
        steps = float(privacy.get("steps", training["local_epochs"]))
        batch = float(privacy.get("expected_batch", training["batch_size"]))
        return f"2^{math.ceil(math.log2(max(1.0, steps * batch * count_bytes(content))))}"
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        return None


def _plan(content: RecordDict) -> dict[str, Any]:
    """The plan as it was sent, unchecked; empty if there is none."""
    head = content.get(HEAD)
    try:
        plan = json.loads(str(head["plan"])) if isinstance(head, ConfigRecord) else {}
    except (KeyError, ValueError, RecursionError):
        return {}
    return plan if isinstance(plan, dict) else {}


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
