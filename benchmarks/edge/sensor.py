"""A smartwatch that sends as fast as it is told, and hears the predictions that come of it."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, Self

import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

ROWS_OF_WINDOW, STEP, CHANNELS = 128, 64, 6
PERIOD_NS = 20_000_000
START_NS = 1_700_000_000 * 10**9 // (STEP * PERIOD_NS) * (STEP * PERIOD_NS)
_IN_FLIGHT = 500
_BURST_S = 0.005

Message = Callable[[int], bytes]
"""The payload of message ``number``."""


def raw_message(rows: int) -> Message:
    """``rows`` readings of six channels at 50 Hz: a stamp, then float32 values."""

    def payload(number: int) -> bytes:
        first = number * rows
        return (START_NS + first * PERIOD_NS).to_bytes(8, "little") + _values(first, rows).astype(
            "<f4"
        ).tobytes()

    return payload


def json_message(rows: int) -> Message:
    """The same readings as JSON."""

    def payload(number: int) -> bytes:
        first = number * rows
        readings = [
            {"t": START_NS + (first + row) * PERIOD_NS, "acc": values[:3], "gyro": values[3:]}
            for row, values in enumerate(_values(first, rows).round(4).tolist())
        ]
        return json.dumps(readings).encode()

    return payload


def _values(first: int, rows: int) -> NDArray[np.float32]:
    seconds = np.arange(first, first + rows) / 50
    return np.sin(seconds[:, None] * np.arange(1, CHANNELS + 1)).astype(np.float32)


class Sensor:
    """Publishes to ``topic`` with QoS 1; a window's latency runs from its last reading's message.

    ``rows`` is the number of readings in a message.
    """

    def __init__(self, port: int, topic: str, predictions: str, rows: int) -> None:
        self._topic, self._rows = topic, rows
        self._published: dict[int, float] = {}
        self.latencies_s: list[float] = []
        self.heard: set[int] = set()
        self._free = threading.Semaphore(_IN_FLIGHT)
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.max_inflight_messages_set(_IN_FLIGHT)
        self._client.on_publish = lambda *_: self._free.release()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.subscribe(predictions, 0)
        self._client.loop_start()

    def send(self, message: Message, first: int, last: int, per_second: float | None) -> float:
        """Messages ``first`` to ``last``, as fast as the broker takes them or paced; seconds."""
        payloads = [message(number) for number in range(first, last)]
        began = time.monotonic()
        for place, payload in enumerate(payloads):
            if per_second is not None:
                ahead = place / per_second - (time.monotonic() - began)
                if ahead > _BURST_S:
                    time.sleep(ahead)
            self._free.acquire()
            self._published[first + place] = time.monotonic()
            self._client.publish(self._topic, payload, 1)
        return time.monotonic() - began

    def _hear(self, client: paho.Client, data: Any, got: paho.MQTTMessage) -> None:
        now, start_ns = time.monotonic(), json.loads(got.payload)["window_start_ns"]
        self.heard.add(start_ns)
        last_row = (start_ns - START_NS) // PERIOD_NS + ROWS_OF_WINDOW - 1
        sent = self._published.get(last_row // self._rows)
        if sent is not None:
            self.latencies_s.append(now - sent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def windows_in(rows: int) -> int:
    """Windows that ``rows`` readings from the start on fill."""
    return max(0, (rows - ROWS_OF_WINDOW) // STEP + 1)
