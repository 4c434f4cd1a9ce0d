"""The beginning of a connection: what the broker says, and whether it says anything.

A broker that does not know MQTT 5 may close the connection without a word (RabbitMQ before 3.13),
of which aiomqtt tells its caller nothing.
"""

from contextlib import suppress
from typing import Any

import aiomqtt
from paho.mqtt.client import Client


class NoAnswer(aiomqtt.MqttError):
    """The broker closed the connection instead of answering."""


class Handshake:
    """The beginning of the connection of ``client``, which has not begun; ``modern``: in MQTT 5."""

    def __init__(self, client: aiomqtt.Client, *, modern: bool) -> None:
        paho = client._client
        self._connected, self._modern = client._connected, modern
        self._before: tuple[Any, Any, Any] = (
            paho.on_connect,
            paho.on_disconnect,
            paho.on_socket_open,
        )
        paho.on_connect, paho.on_disconnect = self._on_connect, self._on_disconnect
        paho.on_socket_open = self._on_open
        self._opened = self.answered = False
        self.session_present = False
        """Whether the broker goes on with the session of before."""
        self.session_seconds: int | None = None
        """How long it keeps the session, if it says so: then it is not as long as asked for."""
        self.has_identifiers = False
        """Whether it tells of which subscriptions a message comes (MQTT 5, 3.2.2.3.12)."""

    @property
    def unanswered(self) -> bool:
        """Whether the broker was reached and said nothing."""
        return self._opened and not self.answered

    def _on_open(self, client: Client, data: Any, socket: Any) -> None:
        self._opened = True
        self._before[2](client, data, socket)

    def _on_connect(
        self, client: Client, data: Any, flags: Any, code: Any, properties: Any
    ) -> None:
        self.answered = True
        self.session_present = bool(flags.session_present)
        self.session_seconds = getattr(properties, "SessionExpiryInterval", None)
        available = getattr(properties, "SubscriptionIdentifierAvailable", 1)
        self.has_identifiers = self._modern and bool(available)
        self._before[0](client, data, flags, code, properties)

    def _on_disconnect(
        self, client: Client, data: Any, flags: Any, code: Any, properties: Any
    ) -> None:
        if not self._connected.done():
            with suppress(RuntimeError):  # the loop has ended
                self._connected.set_exception(NoAnswer("it closed the connection with no answer"))
        self._before[1](client, data, flags, code, properties)
