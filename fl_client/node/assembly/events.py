"""Build what a node publishes: its events, and the outbox in which they wait for the broker."""

from dataclasses import dataclass

from fl_client.node.announcements import Announcements
from fl_client.node.assembly.sensing import Sensing
from fl_client.node.metrics import Metrics
from fl_client.node.outbox import Outbox
from fl_common.configuration.rules import Config
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Task


@dataclass(frozen=True)
class Events:
    """The makers of events, and where they wait."""

    announcements: Announcements
    outbox: Outbox


def build_events(
    config: Config, task: Task, sensing: Sensing, metrics: Metrics, troubles: Troubles
) -> Events:
    """The configured events of ``task``, for the broker of ``sensing``."""
    events, source = config["events"], f"urn:jointhedots:site:{config['name']}"
    announcements = Announcements(task, source, events["predictions"], events["happenings"])
    return Events(announcements, Outbox(events["waiting"], metrics, sensing.mqtt, troubles))
