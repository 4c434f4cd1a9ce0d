"""Topic filters as MQTT 5 has them."""

import re

import pytest

from fl_client.sensors.transports.mqtt.filters import check_filter
from fl_common.errors import InvalidConfiguration


@pytest.mark.parametrize("topic", ["", "a/#/b", "a/b+", "a#", "a\0b", "x" * 65_536])
def test_what_is_no_filter_is_refused(topic: str) -> None:
    with pytest.raises(InvalidConfiguration, match="topic filter"):
        check_filter("watch", topic)


@pytest.mark.parametrize("topic", ["a", "a/+/b", "#", "a/#", "+", "/", "x" * 65_535])
def test_a_filter_is_taken(topic: str) -> None:
    check_filter("watch", topic)


@pytest.mark.parametrize(
    ("topic", "plain"),
    [("$share/boxes/home/+/wrist", "home/\\+/wrist"), ("$queue/home/wrist", "home/wrist"),
     ("$share/boxes", "the topic")],
)  # fmt: skip
def test_a_shared_subscription_is_refused_by_name(topic: str, plain: str) -> None:
    with pytest.raises(InvalidConfiguration, match="shared subscription") as caught:
        check_filter("watch", topic)
    assert topic in str(caught.value)
    assert re.search(f"Declare {plain}, without", str(caught.value))
