"""Build what a node publishes: the makers of its events, and their way to the broker."""

import sqlite3
from dataclasses import dataclass

from fl_client.functions.feed import FunctionFeed
from fl_client.node.announcements import Announcements
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.effects import Effects
from fl_client.node.outbox import Outbox
from fl_client.store.outbox import StoredEvents
from fl_client.store.windows import cut_of
from fl_client.windows import Slicing
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task

_CUT = 8


@dataclass(frozen=True)
class Events:
    """The makers of events, and their publisher; at most ``limit`` wait in the store.

    ``has_broker``: there is one to publish them to.
    """

    announcements: Announcements
    outbox: Outbox
    limit: int
    has_broker: bool

    def stored_in(
        self, connection: sqlite3.Connection, functions: FunctionFeed
    ) -> tuple[StoredEvents, Effects]:
        """The events in a site's store, and what puts those of predictions there."""
        stored = StoredEvents(connection, self.limit, has_broker=self.has_broker)
        return stored, Effects(functions, stored, self.announcements)


def build_events(
    config: Config, task: Task, slicing: Slicing, sensing: Sensing, troubles: Troubles
) -> Events:
    """The configured events of ``task``, for the broker of ``sensing``."""
    events, source = config["events"], f"urn:jointhedots:site:{config['name']}"
    cut = cut_of(task, slicing)[:_CUT]
    announcements = Announcements(task, cut, source, events["predictions"], events["happenings"])
    outbox = Outbox(sensing.mqtt, troubles)
    return Events(announcements, outbox, events["waiting"], sensing.mqtt is not None)
