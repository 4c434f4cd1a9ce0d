"""What the broker has of the node: whether it lost the session, and which topics that has."""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

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
        found = _read(self._record) if self._record is not None else {}
        self._is_known = found.get("session") == self._name
        self._topics = frozenset(found.get("topics", ())) if self._is_known else frozenset()
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
        if not said.session_present:
            self._topics = frozenset()
        self._remember(self._topics)

    def outdated(self, topics: Sequence[str]) -> list[str]:
        """Topics that the session has of an earlier configuration, and that are none of these."""
        return sorted(self._topics.difference(topics))

    def asks_for(self, topics: Sequence[str]) -> None:
        """Note ``topics``, before they are asked for; the outdated ones are given up by now."""
        self._remember(frozenset(topics))

    def _remember(self, topics: frozenset[str]) -> None:
        if self._record is not None and (not self._is_known or topics != self._topics):
            with suppress(OSError):  # such as a full disk: then the next start does not know
                content = json.dumps({"session": self._name, "topics": sorted(topics)})
                write_whole(self._record, content.encode(), OWNER_ONLY)
        self._is_known, self._topics = True, topics


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
