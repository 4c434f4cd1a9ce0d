"""What a node knows over restarts of the session that its broker has."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fl_client.federation.open_session import FILE, OpenSession
from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.session import Session
from tests.support.edge import broker_of

BROKER: Broker = broker_of(1883)


def says(*, present: bool) -> Any:
    """What a broker says at a connection's beginning: whether it has the session."""
    return SimpleNamespace(session_present=present, session_seconds=None)


def test_the_sessions_at_the_broker_and_at_the_federation_s_server_are_both_known(
    tmp_path: Path,
) -> None:
    OpenSession(tmp_path / FILE).opened(7)
    Session(BROKER, tmp_path).begin(says(present=False))
    assert OpenSession(tmp_path / FILE).node() == 7
    OpenSession(tmp_path / FILE).closed()
    again = Session(BROKER, tmp_path)
    again.begin(says(present=False))
    assert again.lost == 1
