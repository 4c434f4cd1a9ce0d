"""A payload read by a sensor of two channels in g, and what it gave."""

import numpy as np
import pytest

from fl_client.sensors import Decoder, InvalidPayload, Readings
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from tests.support.edge import NOW, TASK

X_AND_Y = (Channel("x", "x", "g"), Channel("y", "y", "g"))


def read(
    decoder: Decoder, payload: bytes, channels: tuple[Channel, ...] = X_AND_Y, topic: str = "s/1"
) -> Readings:
    """What ``wrist`` reads in a payload."""
    sensor = Sensor("wrist", "s/+", decoder, channels, TASK, stream=2)
    return sensor.read(Delivery(topic, payload), NOW)[0]


def reason(decoder: Decoder, payload: bytes) -> str:
    """Why ``wrist`` refuses a payload."""
    with pytest.raises(InvalidPayload) as caught:
        read(decoder, payload)
    return caught.value.reason


def check(found: Readings, times: list[int], values: list[list[float]]) -> None:
    """Check times and values, and their types."""
    assert (str(found.times_N.dtype), str(found.values_NC.dtype)) == ("int64", "float32")
    assert found.times_N.tolist() == times
    np.testing.assert_array_equal(found.values_NC, np.array(values, np.float32))
