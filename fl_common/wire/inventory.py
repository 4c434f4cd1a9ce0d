"""A site's report of the components that run on it, as a Flower record.

It holds digests of components and nothing else; a reader refuses anything else.
"""

import re

from flwr.app import ConfigRecord, RecordDict

from fl_common.vocabulary import RunningComponents
from fl_common.wire.messages import WireError

RUNNING = "running"
"""The query for the components that run."""
_HEAD = "head"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def write_running(running: RunningComponents) -> RecordDict:
    """The content of a site's reply."""
    said = {"components": " ".join(running.components), "on_trial": " ".join(running.on_trial)}
    head = ConfigRecord({"kind": RUNNING, "site": running.site, "told": running.told, **said})
    return RecordDict({_HEAD: head})


def read_running(content: RecordDict) -> RunningComponents:
    """What ``write_running`` wrote.

    Raises:
        WireError: anything else.
    """
    head = content.get(_HEAD)
    if not isinstance(head, ConfigRecord) or head.get("kind") != RUNNING:
        raise WireError("the answer does not say what runs")
    site, told = head.get("site"), head.get("told")
    if not isinstance(site, str) or not isinstance(told, bool):
        raise WireError("the answer does not say whose it is")
    parts = [tuple(str(head.get(key, "-")).split()) for key in ("components", "on_trial")]
    if not all(_DIGEST.fullmatch(digest) for part in parts for digest in part):
        raise WireError("the answer has what is no digest of a component")
    return RunningComponents(site, told, *parts)
