"""What a site's store counts."""

from typing import NamedTuple

from fl_client.store.function_inbox import InboxCounts
from fl_client.store.outbox import EventCounts
from fl_client.store.spool_counts import SpoolCounts
from fl_client.store.unshaped import ShapeCounts
from fl_client.store.windows import WindowCounts


class Counts(NamedTuple):
    """Messages, windows, events, windows at the functions, and at the shape if there is one."""

    spool: SpoolCounts = SpoolCounts(0, 0, 0, 0, 0, {})
    windows: WindowCounts = WindowCounts(0, 0, 0)
    events: EventCounts = EventCounts(0, 0, 0, {})
    functions: InboxCounts = InboxCounts(0, 0, 0, {}, {})
    shape: ShapeCounts | None = None
