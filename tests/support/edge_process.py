"""A node's sensing in a process of its own, to be killed: started with its folder and the port."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fl_client.configuration import read_config
from fl_client.node.assembly.node import build_node
from fl_client.node.process import NodeProcess
from fl_client.sensors.transports import Delivery, Taken
from fl_client.store.database import transaction
from tests.support.edge import Node, broker_of
from tests.support.posts import HttpSite, http_transport


class Working(Node):
    """Spools, and is done with all but the newest of what waits, as windows are."""

    def keep(self, batch: Sequence[Delivery]) -> Taken:
        """What the worker thread does."""
        kept = super().keep(batch)
        taken = self.spool.waiting(1000)
        with transaction(self.connection):
            self.spool.done([sequence for sequence, _ in taken[:-5]])
        return kept


def sense(folder: Path, port: int) -> None:
    """Sense until killed."""

    async def run() -> None:
        node = Working(folder, broker_of(port, in_flight=20))
        await node.link.run(node.intake.addresses, node.take)

    asyncio.run(run())


def sense_http(folder: Path, port: int) -> None:
    """Take posts until killed; everything stays in the spool."""

    async def run() -> None:
        site = HttpSite(folder, http_transport(port))
        await site.link.run(site.intake.addresses, site.take)

    asyncio.run(run())


def node_config(home: Path, port: int, *more: str) -> Mapping[str, Any]:
    """The configuration of a whole node in ``home``, on the broker at ``port``, impatient."""
    overrides = [f"home={home}", f"name={home.name}", "sensors=wearables_raw"]
    overrides += [f"broker.port={port}", "broker.retry_first=0.05", "broker.retry_most=0.2"]
    return read_config(None, [*overrides, "http.port=0", "retention.days=36500", *more])


def run_node(home: Path, port: int, *more: str) -> None:
    """Run a whole node until killed."""
    asyncio.run(NodeProcess(build_node(node_config(home, port, *more), connected=True)).serve())
