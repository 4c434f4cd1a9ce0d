"""The head of a site's ledger, beside an answer; and beside an instruction, as last heard.

A record of its own: a reader that does not know it passes over it, and a message may lack it.
"""

import re

from flwr.app import ConfigRecord, RecordDict

from fl_common.vocabulary import LedgerHead
from fl_common.wire.messages import WireError

_LEDGER, _LINES, _DIGEST = "ledger", "lines", "digest"
_HEX = re.compile(r"[0-9a-f]{64}")


def write_head(content: RecordDict, head: LedgerHead | None) -> None:
    """Put ``head`` into ``content``; None: nothing."""
    if head is not None:
        content[_LEDGER] = ConfigRecord({_LINES: head.lines, _DIGEST: head.digest})


def read_head(content: RecordDict) -> LedgerHead | None:
    """The head in ``content``; None if it has none.

    Raises:
        WireError: it is not as this version writes it.
    """
    if (record := content.get(_LEDGER)) is None:
        return None
    if not isinstance(record, ConfigRecord):
        raise WireError("the head of a ledger is no record of values")
    lines, digest = record.get(_LINES), record.get(_DIGEST)
    if type(lines) is not int or lines < 1 or not _HEX.fullmatch(str(digest)):
        raise WireError("the head of a ledger is not a number of lines and a digest")
    return LedgerHead(lines, str(digest))


def without_head(content: RecordDict) -> RecordDict:
    """The rest of ``content``: what is asked, whatever the ledger's state."""
    return RecordDict({name: record for name, record in content.items() if name != _LEDGER})
