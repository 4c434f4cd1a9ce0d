"""Asking the broker for topics, and what it grants."""

from collections.abc import Sequence
from typing import Any

import aiomqtt

from fl_client.sensors.transports.mqtt.publishing import REFUSED
from fl_common.programs.troubles import Troubles

_REMEDY = "Give the node's user the right to read it (mosquitto: acl_file), or correct the topic"


class Subscriptions:
    """The topics of one connection; one that is refused is a trouble, and holds up no other."""

    def __init__(self, client: aiomqtt.Client, troubles: Troubles) -> None:
        self._client, self._troubles = client, troubles
        self.refused: tuple[str, ...] = ()
        """Topics that the broker does not grant."""
        self.least_qos = 1
        """The lowest QoS that was granted; 1 at most."""

    async def ask_for(self, topics: Sequence[str]) -> None:
        """Subscribe to ``topics`` with QoS 1.

        Raises:
            aiomqtt.MqttError: the connection ended first.
        """
        answers = await self._client.subscribe([(t, 1) for t in topics]) if topics else ()
        codes: dict[str, Any] = {
            topic: getattr(answer, "value", answer)
            for topic, answer in zip(topics, answers, strict=True)
        }
        for topic, code in codes.items():
            part = f"topic {topic}"
            if code < REFUSED:
                self._troubles.end(part)
                self.least_qos = min(self.least_qos, code)
            else:
                words = f"the broker refuses the subscription ({code:#x})"
                self._troubles.begin(part, words, _REMEDY)
        self.refused = tuple(topic for topic, code in codes.items() if code >= REFUSED)
