"""Build a site's link and its app from the configuration."""

import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from fl_client.federation.connection import Address
from fl_client.federation.link import Link, PollingIntervals
from fl_client.federation.traffic import TrafficRecord
from fl_client.federation.trainer import MessageHandler, ResidentTrainer
from fl_client.home import TRAINING
from fl_client.release.schedule import FILE, Schedule
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build


def build_link(
    node: Config, make: Callable[[], MessageHandler], stop: threading.Event, home: Path
) -> Link:
    """The link that ``node`` (a ``federation`` section) describes; ``make`` sets up its trainer.

    Its traffic counts and its schedule are kept in the site's folder ``home``.

    Raises:
        InvalidConfiguration: a value that can't be used.
    """
    address = Address(
        str(node["server"]), Path(node["ca_file"]), Path(node["key_file"]), node["heartbeat_s"]
    )
    intervals: PollingIntervals = build(node["pace"])
    traffic, schedule = TrafficRecord(home / TRAINING), Schedule(home / FILE, monotonic, stop.wait)
    return Link(address, ResidentTrainer(make), intervals, stop, traffic, schedule)
