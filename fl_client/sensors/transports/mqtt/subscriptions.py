"""Asking the broker for topics, and what it grants."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from fl_client.sensors.transports.mqtt.overlap import (
    covers,
    identifier_of,
    overlapping,
    uncovered,
)
from fl_client.sensors.transports.mqtt.publishing import REFUSED
from fl_common.programs.troubles import Troubles

_LOG = logging.getLogger(__name__)
_REMEDY = "Give the node's user the right to read it (mosquitto: acl_file), or correct the topic"


class Subscriptions:
    """The topics of one connection; one that is refused is a trouble, and holds up no other.

    ``has_identifiers``: the broker tells of which of them a message comes.
    """

    def __init__(
        self, client: aiomqtt.Client, troubles: Troubles, *, has_identifiers: bool
    ) -> None:
        self._client, self._troubles = client, troubles
        self._has_identifiers = has_identifiers
        self._overlap = False  # whether some of the topics do
        self.refused: tuple[str, ...] = ()
        """Topics that the broker does not grant."""
        self.least_qos = 1
        """The lowest QoS that was granted; 1 at most."""

    async def give_up(self, topics: Sequence[str]) -> None:
        """Unsubscribe from ``topics``, which the session has of an earlier configuration.

        Raises:
            aiomqtt.MqttError: the connection ended first.
        """
        if topics:
            _LOG.info("no sensor has these topics any more, unsubscribing: %s", ", ".join(topics))
            await self._client.unsubscribe(list(topics))

    async def ask_for(self, topics: Sequence[str]) -> None:
        """Subscribe to ``topics`` with QoS 1.

        Raises:
            aiomqtt.MqttError: the connection ended first.
        """
        pairs = overlapping(topics)
        self._overlap |= bool(pairs)
        if self._has_identifiers and self._overlap:
            codes = await self._one_by_one(topics)
        else:
            codes = await self._together(topics, pairs)
        for topic, code in codes.items():
            part = f"topic {topic}"
            if code < REFUSED:
                self._troubles.end(part)
                self.least_qos = min(self.least_qos, code)
            else:
                words = f"the broker refuses the subscription ({code:#x})"
                self._troubles.begin(part, words, _REMEDY)
        self.refused = tuple(topic for topic, code in codes.items() if code >= REFUSED)

    async def _one_by_one(self, topics: Sequence[str]) -> Mapping[str, int]:
        """Subscribe to each with an identifier of its own; the answers."""
        codes = {}
        for topic in topics:
            properties = Properties(PacketTypes.SUBSCRIBE)
            properties.SubscriptionIdentifier = identifier_of(topic)
            options = SubscribeOptions(qos=1)
            answer = await self._client.subscribe(topic, options=options, properties=properties)
            codes[topic] = _code(answer[0])
        return codes

    async def _together(
        self, topics: Sequence[str], pairs: Sequence[tuple[str, str]]
    ) -> Mapping[str, int]:
        """Subscribe to what no other topic covers, then to what no granted one does."""
        codes: dict[str, int] = {}
        left = list(dict.fromkeys(topics))
        while left:
            asked = uncovered(left)
            answers = await self._client.subscribe([(topic, 1) for topic in asked])
            codes |= {topic: _code(one) for topic, one in zip(asked, answers, strict=True)}
            granted = [topic for topic in asked if codes[topic] < REFUSED]
            left = [t for t in left if t not in asked and not any(covers(g, t) for g in granted)]
        for one, other in pairs:
            if not covers(one, other) and not covers(other, one):
                _LOG.warning(
                    "the topics %s and %s overlap, and this broker does not tell copies apart: a"
                    " message to both without a time of its own may count twice. Declare topics"
                    " that do not overlap", one, other)  # fmt: skip
        return codes


def _code(answer: Any) -> int:
    return int(getattr(answer, "value", answer))
