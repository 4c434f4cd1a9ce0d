"""Whether the box is well, told to its server if the owner lets it: one bit and a version.

It is told every quarter of an hour, whatever it is, so that its time tells nothing. Which part
fails, and why, stays here.
"""

import hashlib
import logging
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from fl_client.release.health import release_health
from fl_common.configuration.rules import SWITCH, Config, require
from fl_common.errors import JoinTheDotsError
from fl_common.files.keys import SigningKey
from fl_common.wire.desk import write_request

EVERY_S = 900.0
_SECONDS = 10.0
_logger = logging.getLogger(__name__)


class HealthTelling:
    """Tells the server of the ``federation`` section whether site ``name`` is ``healthy``.

    ``start`` does nothing where the owner has not allowed it.
    """

    def __init__(
        self,
        name: str,
        federation: Config,
        healthy: Callable[[], bool],
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        require("federation.tell_health", federation["tell_health"], SWITCH)
        self._name, self._federation, self._healthy = name, federation, healthy
        self._over = threading.Event()
        self._wait = wait or self._over.wait
        self._failing = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        if self._federation["tell_health"] and self._federation["server"] is not None:
            threading.Thread(target=self.run, daemon=True).start()

    def close(self) -> None:
        """End, soon."""
        self._over.set()

    def run(self) -> None:
        """Tell until the end; boxes that start together do not tell together."""
        number = int.from_bytes(hashlib.sha256(self._name.encode()).digest()[:4])
        pause_s = EVERY_S * number / 2**32
        while not self._wait(pause_s):
            pause_s = EVERY_S
            try:
                self._tell()
            except JoinTheDotsError as error:
                if not self._failing:
                    _logger.warning("the server is not told of this box's health: %s", error)
                self._failing = True
            else:
                self._failing = False

    def _tell(self) -> None:
        from fl_client.federation.desk import DeskClient  # httpx comes with a federation alone

        node = self._federation
        said = release_health(self._name, version("join-the-dots"), self._healthy())
        content = write_request("report", said, [SigningKey(Path(node["key_file"]))])
        desk = DeskClient(str(node["server"]), seconds=_SECONDS, tries=1)
        desk.ask("report", content, _read(Path(node["ca_file"])))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise JoinTheDotsError(f"{path} can't be read ({error.strerror})") from error
