"""Topic filters as MQTT 5 has them."""

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
