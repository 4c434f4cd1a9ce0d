"""What a log or a metric says of a message, without reading it as a whole."""

import json

from flwr.app import ConfigRecord, RecordDict

from fl_common.wire import HEAD, REFUSAL


def read_reason(content: RecordDict) -> str | None:
    """Why a site said "no"; None for any other content."""
    head = content.get(HEAD)
    if not isinstance(head, ConfigRecord) or head.get("kind") != REFUSAL:
        return None
    return str(head.get("reason"))


def read_run(content: RecordDict) -> str | None:
    """The run of an instruction; None where the message names none."""
    head = content.get(HEAD)
    try:
        return str(json.loads(str(head["plan"]))["run"]) if isinstance(head, ConfigRecord) else None
    except (TypeError, KeyError, ValueError):
        return None
