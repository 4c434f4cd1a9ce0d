"""The head of a site's ledger, beside an answer; and beside an instruction, as last heard.

It is a digest (hex) and nothing else: even the number of lines may tell that a process died of its
data, and charged twice. A record of its own: a reader that does not know it passes over it, and a
message may lack it.
"""

import re

from flwr.app import ConfigRecord, RecordDict

from fl_common.wire.messages import WireError

_LEDGER, _DIGEST = "ledger", "digest"
_HEX = re.compile(r"[0-9a-f]{64}")


def write_head(content: RecordDict, head: str | None) -> None:
    """Put the digest ``head`` into ``content``; None: nothing."""
    if head is not None:
        content[_LEDGER] = ConfigRecord({_DIGEST: head})


def read_head(content: RecordDict) -> str | None:
    """The digest in ``content``; None if it has none.

    Raises:
        WireError: it is not as this version writes it.
    """
    if (record := content.get(_LEDGER)) is None:
        return None
    digest = record.get(_DIGEST) if isinstance(record, ConfigRecord) else None
    if not isinstance(digest, str) or not _HEX.fullmatch(digest):
        raise WireError("the head of a ledger is not a digest")
    return digest


def without_head(content: RecordDict) -> RecordDict:
    """The rest of ``content``: what is asked, whatever the ledger's state."""
    return RecordDict({name: record for name, record in content.items() if name != _LEDGER})
