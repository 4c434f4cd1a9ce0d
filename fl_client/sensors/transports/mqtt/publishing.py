"""Publishing on one connection to the broker, and what the broker answers to it.

A broker may refuse a message although the connection stays, for example for lack of a right to its
topic: MQTT 5 says so in the acknowledgement (3.4.2.1), MQTT 3.1.1 can't. It may also allow less
than QoS 1 (3.2.2.3.4), and ends the connection of who asks for more.
"""

import asyncio
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fl_common.wire.cloud_events import MqttEvent

_WAIT_S = 10.0
REFUSED = 0x80
"""The lowest reason code that is a refusal (MQTT 5, section 2.4)."""


class NotConnected(Exception):
    """The message did not get to the broker; publish it again to have it delivered."""


class PublishRefused(Exception):
    """The broker refuses the message; ``reason`` is its word for why, such as quota_exceeded."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Publishing:
    """What is published on the connection of ``client``.

    Call it in the thread that handles the client's packets.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[int, asyncio.Future[ReasonCode]] = {}
        self.most_qos = 1
        """The highest QoS that the broker allows, as far as is known; 1 at most."""
        self.has_refusals = False
        """Whether the broker refused a message: mosquitto 2.0 may end the connection then."""
        self._connected: Any = client.on_connect
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish

    async def publish(self, topic: str, message: MqttEvent, *, retain: bool = False) -> None:
        """Publish, with QoS 1 where the broker allows it: it returns when the broker has it.

        Raises:
            NotConnected: the connection ended first, or the broker does not answer.
            PublishRefused: the broker will not have it.
        """
        properties = properties_of(PacketTypes.PUBLISH, message)
        sent = self._client.publish(topic, message.payload, self.most_qos, retain, properties)
        if sent.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise NotConnected(f"{sent.rc}")
        if not sent.is_published():
            await self._answer(sent.mid)

    def end(self) -> None:
        """Let those that wait for an answer know that none comes any more."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NotConnected("the connection ended"))

    async def _answer(self, number: int) -> None:
        answer = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            code = await asyncio.wait_for(answer, _WAIT_S)
        except TimeoutError:
            raise NotConnected(f"no answer from the broker for {_WAIT_S:g} s") from None
        finally:
            self._waiting.pop(number, None)
        if code.value >= REFUSED:
            self.has_refusals = True
            raise PublishRefused(str(code).lower().replace(" ", "_"))

    def _on_publish(
        self, client: Client, data: Any, number: int, code: ReasonCode, properties: Any
    ) -> None:
        """Replaces aiomqtt's, which does not look at the reason code."""
        answer = self._waiting.get(number)
        if answer is not None and not answer.done():
            answer.set_result(code)

    def _on_connect(
        self, client: Client, data: Any, flags: Any, code: ReasonCode, properties: Any
    ) -> None:
        self.most_qos = min(self.most_qos, getattr(properties, "MaximumQoS", 1))
        if self._connected is not None:
            self._connected(client, data, flags, code, properties)


def properties_of(packet: int, message: MqttEvent) -> Properties | None:
    """The properties of a PUBLISH packet or a will; None if ``message`` has none."""
    if not (message.content_type or message.user_properties):
        return None
    properties = Properties(packet)
    if message.content_type:
        properties.ContentType = message.content_type
    if message.user_properties:
        properties.UserProperty = list(message.user_properties)
    return properties
