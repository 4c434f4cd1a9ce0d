"""What another process hears of a box's events, and what SQLite itself finds in its store."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.nodes import wait_for

JUDGE = """
import json, sys, time
import paho.mqtt.client as paho

def hear(client, data, got):
    attributes = dict(got.properties.UserProperty)
    number = attributes["source"] + " " + attributes["id"]
    print(json.dumps([number, got.topic, json.loads(got.payload)]), flush=True)

def ready(client, *_):
    print(json.dumps("ready"), flush=True)

client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
client.on_connect = lambda client, *_: client.subscribe([("predictions/#", 1), ("events/#", 1)])
client.on_subscribe, client.on_message = ready, hear
while True:
    try:
        client.connect("127.0.0.1", int(sys.argv[1]))
        while client.loop(0.1) == paho.MQTT_ERR_SUCCESS:
            pass
    except OSError:
        time.sleep(0.05)
"""


class Judge:
    """What another process hears, by source and id: a repetition counts once."""

    def __init__(self, port: int, path: Path) -> None:
        self._path, self._read = path, 0
        self._subscriptions, self._events = 0, dict[str, tuple[str, Any]]()
        with path.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", JUDGE, str(port)], stdout=output, env=os.environ
            )

    def subscriptions(self) -> int:
        """How often it has begun to listen."""
        self._look()
        return self._subscriptions

    def events(self) -> dict[str, tuple[str, Any]]:
        """Topic and data by source and id, in the order in which they were heard first."""
        self._look()
        return self._events

    def _look(self) -> None:
        """Read what it has written since the last look."""
        with self._path.open("rb") as file:
            file.seek(self._read)
            whole = file.read().rpartition(b"\n")[0]
        self._read += len(whole) + 1 if whole else 0
        for line in map(json.loads, whole.splitlines()):
            if line == "ready":
                self._subscriptions += 1
                continue
            number, topic, data = line
            assert self._events.setdefault(number, (topic, data)) == (topic, data)


@contextmanager
def judge(port: int, path: Path) -> Iterator[Judge]:
    one = Judge(port, path)
    try:
        wait_for(one.subscriptions, "a judge that listens")
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def store(home: Path, query: str) -> Any:
    """The first value of a query of the site's store, by SQLite itself."""
    with sqlite3.connect(f"file:{home / 'site.sqlite'}?mode=ro", uri=True, timeout=60) as opened:
        return (opened.execute(query).fetchone() or (None,))[0]


def waiting(home: Path) -> int:
    """Windows that wait for the function, and events that wait for the broker."""
    tables = ("function_inbox", "outbox")
    return sum(int(store(home, f"SELECT count(*) FROM {table}")) for table in tables)
