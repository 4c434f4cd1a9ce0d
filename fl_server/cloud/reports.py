"""What boxes tell of themselves, if their owners let them: a version, and whether they are well."""

import json
import logging
import re
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from fl_common.files.whole import OWNER_ONLY, write_whole

_VERSION = re.compile(r"[0-9A-Za-z.+!_-]{1,40}")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SiteReport:
    """What a site told at ``at`` (Unix seconds, the server's clock)."""

    at: float
    version: str
    healthy: bool


class SiteReports:
    """The newest report of each site, in the file at ``path``; one that can't be read is empty."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path, self._clock = path, clock

    def all(self) -> dict[str, SiteReport]:
        """The reports by site."""
        try:
            rows = json.loads(self._path.read_text())
            return {str(name): SiteReport(**row) for name, row in rows.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            _logger.warning("%s can't be read, and begins anew: %s", self._path, error)
            return {}

    def hear(self, site: str, version: str, healthy: bool, enrolled: Collection[str]) -> None:
        """Keep a report in place of the site's last one; only ``enrolled`` sites have any."""
        told = version if _VERSION.fullmatch(version) else "unknown"
        kept = {name: one for name, one in self.all().items() if name in enrolled}
        kept[site] = SiteReport(self._clock(), told, healthy)
        rows = {name: asdict(one) for name, one in kept.items()}
        write_whole(self._path, json.dumps(rows).encode(), OWNER_ONLY)
