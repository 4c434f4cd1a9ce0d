"""What is asked of a broker, and asked again."""

import asyncio
from typing import Any, cast

import aiomqtt

from fl_client.sensors.transports.mqtt.overlap import identifier_of
from fl_client.sensors.transports.mqtt.subscriptions import Subscriptions
from fl_common.programs.troubles import Troubles


class Answering:
    """A connection to a broker that refuses some topics."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.asked: dict[str, int | None] = {}

    async def subscribe(self, topic: str, properties: Any, options: Any) -> list[int]:
        self.asked[topic] = properties.SubscriptionIdentifier[0]
        return [0x87 if topic in self.refused else options.QoS]


def test_a_topic_that_is_granted_later_has_its_identifier_too() -> None:
    """Else what comes for it would not be known as the copy of what comes for another."""
    client = Answering("site/+/wrist")
    asking = Subscriptions(cast("aiomqtt.Client", client), Troubles(), has_identifiers=True)
    asyncio.run(asking.ask_for(["site/#", "site/+/wrist"]))
    again = asking.refused
    assert again == ("site/+/wrist",)
    client.refused.clear()
    asyncio.run(asking.ask_for(again))
    assert not asking.refused
    assert client.asked == {t: identifier_of(t) for t in ("site/#", "site/+/wrist")}
