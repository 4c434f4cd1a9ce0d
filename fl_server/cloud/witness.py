"""What the server remembers of each site's ledger: a digest of its head, as last sent.

The server tells it to the site with the next instruction. So a ledger that was put back from an old
copy, together with its counter, is found out by the site itself. A server that lies here can only
make a site refuse; one that forgets takes away the check.
"""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl_common.files.whole import write_whole

_logger = logging.getLogger(__name__)
_SUCCESSORS = "successors.json"


class LedgerWitness:
    """The digests by node, in the file at ``path``; a file that can't be read is begun anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._heads, self._is_saved = _read(path), True

    def of(self, node: int) -> str | None:
        """The digest that ``node`` has sent last; None if it has sent none.

        A node that is new, as its site has a new key, has that of its predecessor.
        """
        if node not in self._heads and (head := inherited(self._path, self._heads, node)):
            self._heads[node] = head
        return self._heads.get(node)

    def hear(self, node: int, head: str) -> None:
        """Remember the digest ``head`` that ``node`` has sent.

        An answer that is sent again has an older one, of a line that the ledger has, too.
        """
        self._is_saved = self._is_saved and self._heads.get(node) == head
        self._heads[node] = head

    def save(self) -> None:
        """Write what was heard, durably."""
        if not self._is_saved:
            write_whole(self._path, json.dumps(self._heads).encode())
            self._is_saved = True


def note_successor(path: Path, node: int, before: int) -> None:
    """Remember, durably and beside the heads at ``path``, that ``node`` is the one ``before``."""
    place = path.with_name(_SUCCESSORS)
    write_whole(place, json.dumps({**_numbers(place), str(node): before}).encode())


def inherited(path: Path, heads: Mapping[int, str], node: int) -> str | None:
    """The head of the nearest predecessor of ``node`` that has one."""
    before = _numbers(path.with_name(_SUCCESSORS))
    for _ in before:
        if (older := before.get(str(node))) is None:
            return None
        if older in heads:
            return heads[older]
        node = older
    return None


def _numbers(path: Path) -> dict[str, int]:
    try:
        return {str(node): int(before) for node, before in json.loads(path.read_text()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read: sites with new keys have no known ledger: %s", path, error)
        return {}


def _read(path: Path) -> dict[int, str]:
    try:
        rows: dict[str, Any] = json.loads(path.read_text())
        return {int(node): str(digest) for node, digest in rows.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        _logger.error("%s can't be read, so sites' ledgers are not checked by it: %s", path, error)
        return {}
