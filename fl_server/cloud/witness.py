"""What the server remembers of each site's ledger: its head, as last sent.

The server tells it to the site with the next instruction. So a ledger that was put back from an old
copy, together with its counter, is found out by the site itself. A server that lies here can only
make a site refuse; one that forgets takes away the check.
"""

import json
import logging
from pathlib import Path
from typing import Any

from fl_common.files import write_whole
from fl_common.vocabulary import LedgerHead

_logger = logging.getLogger(__name__)


class LedgerWitness:
    """The heads by node, in the file at ``path``; a file that can't be read is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heads, self._is_saved = _read(path), True

    def of(self, node: int) -> LedgerHead | None:
        """The farthest head that ``node`` has sent; None if it has sent none."""
        return self._heads.get(node)

    def hear(self, node: int, head: LedgerHead) -> None:
        """Remember a ``head`` that ``node`` has sent, if it is farther than the last one.

        An answer that is sent again has the head of its time.
        """
        known = self._heads.get(node)
        if known is None or head.lines > known.lines:
            self._heads[node], self._is_saved = head, False
        elif head.lines == known.lines and head != known:
            _logger.warning("node %s: its ledger has another line %d now", node, head.lines)

    def save(self) -> None:
        """Write what was heard, durably."""
        if self._is_saved:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = {node: [head.lines, head.digest] for node, head in self._heads.items()}
        write_whole(self._path, json.dumps(rows).encode())
        self._is_saved = True


def _read(path: Path) -> dict[int, LedgerHead]:
    try:
        rows: dict[str, Any] = json.loads(path.read_text())
        return {int(node): LedgerHead(int(lines), str(d)) for node, (lines, d) in rows.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read, so sites' ledgers are not checked by it: %s", path, error)
        return {}
