"""What the MQTT inbox needs of paho beyond its public interface, for the version in use.

The inbox reads PUBLISH packets and writes PUBACK packets itself: paho's public ``on_message`` and
``ack`` make objects for each message and one write for each acknowledgement. A failure here means
that ``fl_client/sensors/transports/mqtt/inbox.py`` has to be read against the new paho.
"""

import inspect

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from fl_client.sensors.transports import Delivery
from fl_client.sensors.transports.mqtt.inbox import Inbox

READ = "read inbox.py against this version of paho-mqtt, then move its range in pyproject.toml"


@pytest.fixture(params=[MQTTProtocolVersion.MQTTv5, MQTTProtocolVersion.MQTTv311])
def client(request: pytest.FixtureRequest) -> Client:
    return Client(CallbackAPIVersion.VERSION2, protocol=request.param)


def test_the_private_names_are_there(client: Client) -> None:
    assert callable(client._handle_publish), READ
    assert {"command", "packet"} <= set(client._in_packet), READ
    arguments = list(inspect.signature(client._packet_queue).parameters)
    assert arguments == ["command", "packet", "mid", "qos", "info"], READ


def test_paho_hands_a_publish_packet_to_the_method_that_the_inbox_replaces(client: Client) -> None:
    """With its first byte and what follows the length, and returns what that returns."""
    modern = client.protocol == MQTTProtocolVersion.MQTTv5
    inbox = Inbox(client, modern, 10, 1000)
    client._in_packet["command"] = 0x3A  # PUBLISH, repeated, QoS 1
    client._in_packet["packet"] = bytearray(b"\x00\x03a/b\x01\x02" + b"\x00" * modern + b"body")
    assert client._packet_handle() is MQTTErrorCode.MQTT_ERR_SUCCESS, READ
    assert list(inbox._waiting) == [(Delivery("a/b", b"body", "258", True), 258)], READ


def test_what_is_queued_is_written_as_it_is_in_one_piece(client: Client) -> None:
    client._out_packet.clear()
    client.on_socket_register_write = lambda *_: None
    client._packet_queue(0x40, b"\x40\x02\x00\x01\x40\x02\x00\x02", 0, 0)
    (queued,) = client._out_packet
    assert bytes(queued["packet"]) == b"\x40\x02\x00\x01\x40\x02\x00\x02", READ
    assert (queued["to_process"], queued["qos"], queued["mid"]) == (8, 0, 0), READ
