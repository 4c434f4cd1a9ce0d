"""Build what a node makes of its clock."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fl_client.clock.command import remedy_for
from fl_client.clock.guard import ClockGuard, Instant
from fl_client.clock.machine import RELEASED_NS, THIS_MACHINE, Machine
from fl_client.clock.vouching import Vouching
from fl_client.node.hold import Hold
from fl_client.node.path import Path as PipelinePath
from fl_client.node.pipeline import Pipeline
from fl_client.windows import Slicing
from fl_common.programs.troubles import Troubles


@dataclass(frozen=True)
class BoxClock:
    """What time it is, and what holds messages back while that can't be believed."""

    now: Callable[[], Instant]
    hold: Hold


def build_clock(
    home: Path,
    slicing: Slicing,
    troubles: Troubles,
    *,
    connected: bool,
    machine: Machine = THIS_MACHINE,
) -> BoxClock:
    """The clock of ``machine`` for the node in ``home``.

    A node that is not ``connected`` plays a recording, whose clock is right by definition.
    """
    vouched = Vouching(home, machine) if connected else lambda _: True
    guard = ClockGuard(RELEASED_NS, slicing.ahead_ns, vouched, troubles, remedy_for(home))
    return BoxClock(machine.clocks, Hold(guard, machine.boot))


def build_pipeline(open_path: Callable[[], PipelinePath], clock: BoxClock) -> Pipeline:
    """The pipeline on ``open_path``, in the time of ``clock``.

    Raises:
        StoreError: the site's store can't be opened.
    """
    return Pipeline(open_path, clock.hold)
