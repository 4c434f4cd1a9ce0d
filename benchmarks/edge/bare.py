"""``python -m benchmarks.edge.bare PORT TOPIC COUNT``: a subscriber that only counts.

The floor that the node is compared with: aiomqtt with the same broker, MQTT 5, QoS 1 and a
persistent session. Prints the seconds from the first message to the last.
"""

import asyncio
import sys
import time

import aiomqtt


async def count(port: int, topic: str, expected: int) -> float:
    """Seconds from the first message to message ``expected``."""
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="bare", protocol=aiomqtt.ProtocolVersion.V5, clean_start=False
    ) as client:
        await client.subscribe(topic, 1)
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        counted, began = 0, 0.0
        async for _ in client.messages:
            began = began or time.monotonic()
            counted += 1
            if counted == expected:
                break
        return time.monotonic() - began


def main() -> None:
    """Count, and print the seconds."""
    port, topic, expected = sys.argv[1:]
    sys.stdout.write(f"{asyncio.run(count(int(port), topic, int(expected)))}\n")


if __name__ == "__main__":
    main()
