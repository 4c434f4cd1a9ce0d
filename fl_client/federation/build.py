"""Build a site's link and its app from the configuration."""

import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from fl_client.clock.command import remedy_for
from fl_client.clock.guard import ClockGuard
from fl_client.clock.machine import RELEASED_NS, THIS_MACHINE, Machine
from fl_client.clock.vouching import Vouching
from fl_client.federation.connection import Address
from fl_client.federation.link import Link, PollingIntervals
from fl_client.federation.open_session import FILE as SESSION
from fl_client.federation.open_session import OpenSession
from fl_client.federation.server_time import ServerTime
from fl_client.federation.traffic import TrafficRecord
from fl_client.federation.trainer import MessageHandler, ResidentTrainer
from fl_client.home import TRAINING
from fl_client.release.schedule import FILE, Schedule
from fl_common.configuration.rules import Config
from fl_common.plugins.build import build
from fl_common.programs.troubles import Troubles

_APART_NS = 3600 * 10**9
"""A clock that is no further behind the server's has the right day, or nearly so."""


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
    intervals: PollingIntervals = build(node["pace"], at="federation.pace")
    traffic, schedule = TrafficRecord(home / TRAINING), Schedule(home / FILE, monotonic, stop.wait)
    server_time = build_server_time(home, THIS_MACHINE)
    session = OpenSession(home / SESSION)
    trainer = ResidentTrainer(make)
    return Link(address, trainer, intervals, stop, traffic, schedule, server_time, session)


def build_server_time(home: Path, machine: Machine) -> ServerTime:
    """The server's time for the site in ``home`` on ``machine``."""
    vouched = Vouching(home, machine)
    guard = ClockGuard(RELEASED_NS, _APART_NS, vouched, Troubles(), remedy_for(home))
    return ServerTime(machine.clocks, guard)
