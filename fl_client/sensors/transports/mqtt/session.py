"""Whether the broker has lost the session, and with it the messages that it kept."""

import json
import logging
from contextlib import suppress
from pathlib import Path

from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.handshake import Handshake
from fl_common.files.whole import OWNER_ONLY, write_whole

_LOG = logging.getLogger(__name__)
_RECORD = "broker.json"


class Session:
    """The node's session at ``broker``; in the folder ``home`` a file knows of it over restarts."""

    def __init__(self, broker: Broker, home: Path | None) -> None:
        self._broker, self._record = broker, None if home is None else home / _RECORD
        self._name = f"{broker.identity} at {broker.host}:{broker.port}"
        self._is_known = self._record is not None and _read(self._record) == self._name
        self._told_of_seconds = False
        self.lost = 0
        """How often it was gone since the start."""

    def begin(self, said: Handshake) -> None:
        """Take note of a connection, and tell if its session is new where one was expected."""
        asked = self._broker.session_seconds
        if self._is_known and not said.session_present:
            self.lost += 1
            _LOG.warning(
                "the broker has no session of %s any more: what it kept for this node is lost. Let"
                " it keep sessions over its restarts (mosquitto: persistence true), and for as long"
                " as broker.session_seconds=%d (mosquitto: persistent_client_expiration)",
                self._name, asked)  # fmt: skip
        if said.session_seconds is not None and said.session_seconds < asked:
            if not self._told_of_seconds:
                _LOG.warning(
                    "the broker keeps the session of %s for %d s, not broker.session_seconds=%d",
                    self._name, said.session_seconds, asked)  # fmt: skip
            self._told_of_seconds = True
        self._remember()

    def _remember(self) -> None:
        if not self._is_known and self._record is not None:
            with suppress(OSError):  # such as a full disk: then the next start does not know
                content = json.dumps({"session": self._name})
                write_whole(self._record, content.encode(), OWNER_ONLY)
        self._is_known = True


def _read(path: Path) -> str | None:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return found.get("session") if isinstance(found, dict) else None
