"""A client for the broker, as it is configured."""

import aiomqtt
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fl_client.sensors.transports.mqtt.broker import Broker
from fl_client.sensors.transports.mqtt.publishing import properties_of
from fl_common.wire.cloud_events import CloudEvent, to_mqtt

LastWill = tuple[str, CloudEvent]
"""The topic and the event that the broker publishes, retained, if the connection breaks."""


def new_client(
    broker: Broker, protocol: aiomqtt.ProtocolVersion, last_will: LastWill | None
) -> aiomqtt.Client:
    """A client for one connection, with the persistent session of the broker's ``identity``."""
    modern = protocol is aiomqtt.ProtocolVersion.V5
    client = aiomqtt.Client(
        broker.host,
        broker.port,
        username=broker.username,
        password=broker.password,
        identifier=broker.identity,
        protocol=protocol,
        will=_will(last_will, modern) if last_will else None,
        clean_session=None if modern else False,
        clean_start=False if modern else MQTT_CLEAN_START_FIRST_ONLY,
        properties=_connect(broker) if modern else None,
        keepalive=broker.keepalive,
        tls_params=_tls(broker),
    )
    client.pending_calls_threshold = broker.in_flight
    return client


def _will(last_will: LastWill, modern: bool) -> aiomqtt.Will:
    """The will, with QoS 0: a broker that allows no other would refuse the connection."""
    topic, event = last_will
    message = to_mqtt(event, has_properties=modern)
    properties = properties_of(PacketTypes.WILLMESSAGE, message)
    return aiomqtt.Will(topic, message.payload, 0, retain=True, properties=properties)


def _connect(broker: Broker) -> Properties:
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = broker.session_seconds
    properties.ReceiveMaximum = broker.in_flight
    return properties


def _tls(broker: Broker) -> aiomqtt.TLSParameters | None:
    if broker.ca_file is None:
        return None
    certificate, key = (
        None if file is None else str(file) for file in (broker.certificate_file, broker.key_file)
    )
    return aiomqtt.TLSParameters(str(broker.ca_file), certificate, key)
