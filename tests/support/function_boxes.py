"""What follows functions on a box, without the node."""

from dataclasses import dataclass, field
from typing import Any

from fl_client.components.context import NodeContext
from fl_client.components.follow_function import FunctionRules, follow_function
from fl_client.components.follower import Follower
from fl_client.components.health import Health
from fl_client.components.sandbox import Grant
from fl_client.functions.host import HostLimits
from fl_client.functions.runner import Functions
from fl_client.inference.slots import ModelSlot
from fl_common.components.reader import Reader
from fl_common.functions import Predicted
from fl_common.programs.troubles import Troubles
from tests.support.function_hosts import host_of
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sites import FUNCTION

HEALTH = Health(windows=4, more_failures=0.1, times_slower=3.0, ends=3)


@dataclass
class FunctionBox:
    """A node's functions and what follows them, without the node. Begins as after a restart."""

    world: World
    classes: tuple[str, ...]
    is_testing: bool = False
    reader: Reader | None = None
    grant: Grant | None = None
    limits: HostLimits | None = None
    name: str = "site"
    health: Health = HEALTH
    seen: dict[str, Any] = field(init=False, default_factory=dict)
    """The data of the newest event."""
    _window: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        home = self.world.folder / self.name
        self.functions = Functions({}, host_of(home, self.limits), failures_allowed=3)
        box = NodeContext(
            self.name,
            home=home,
            task=TASK,
            slot=ModelSlot(home / "slots/model"),
            engine={},
            functions=self.functions,
            function_seconds=20.0,
            troubles=Troubles(),
        )
        rules = FunctionRules(self.classes, self.grant, box.function_seconds)
        reader = self.reader or self.world.reader(name=f"{self.name}/repository")
        self.part, self.target = follow_function(
            box, FUNCTION, reader, self.health, rules, is_testing=self.is_testing
        )
        self.follower = Follower(reader, [self.part], box.troubles)
        self.follower.resume()

    def live(self, label: int = 0) -> list[str]:
        """One window with this most probable label; kinds of what was found."""
        shares = tuple(0.9 if place == label else 0.0 for place in range(len(TASK.labels)))
        start, self._window = self._window, self._window + 1
        found = self.functions(Predicted(start, start + 1, TASK.labels, shares)).found
        if (seen := self.target.seen()) is not None:
            self.part.rollout.observe(*seen)
        self.seen = dict(found[-1][1].data) if found else self.seen
        return [happening.kind for _, happening in found]

    def settle(self) -> list[str]:
        """A poll and enough windows of changing labels to end any health window."""
        self.follower.poll()
        return [kind for number in range(8) for kind in self.live(number % 2)]

    @property
    def status(self) -> dict[str, Any]:
        return self.part.status()

    @property
    def good(self) -> list[str]:
        return [version["version"] for version in self.status["good"]]
