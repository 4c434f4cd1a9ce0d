"""``mosquitto_pub`` and ``mosquitto_sub``, as far as pages use them, for where they are lacking."""

import argparse
import sys
from pathlib import Path
from threading import Semaphore

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.sources import ROOT


def install(folder: Path, port: int) -> None:
    """Write both into ``folder``, for the broker at ``port``."""
    folder.mkdir()
    for name in ("pub", "sub"):
        program = folder / f"mosquitto_{name}"
        program.write_text(
            f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m {__name__} {name} {port} "$@"\n'
        )
        program.chmod(0o755)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("program")
    parser.add_argument("port", type=int)
    for name in ("-t", "-m", "-F"):
        parser.add_argument(name)
    for name in ("-q", "-W", "-C"):
        parser.add_argument(name, type=int, default=1)
    parser.add_argument("-s", action="store_true")
    return parser.parse_args()


def _main() -> None:
    options = _options()
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    heard = Semaphore(0)

    def hear(_: paho.Client, data: object, got: paho.MQTTMessage) -> None:
        line = options.F.replace("%t", got.topic).replace("%p", got.payload.decode())
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        heard.release()

    client.on_message = hear
    client.connect("127.0.0.1", options.port)
    client.loop_start()
    if options.program == "pub":
        body = sys.stdin.buffer.read() if options.s else options.m
        client.publish(options.t, body, options.q).wait_for_publish(60)
    else:
        client.subscribe(options.t, 1)
        for _ in range(options.C):
            heard.acquire(timeout=options.W)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    _main()
