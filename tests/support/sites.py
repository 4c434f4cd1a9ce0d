"""A site that follows a repository, for tests: a follower and an engine on one slot."""

import json
from dataclasses import dataclass
from typing import Any

from fl_client.components.build import follow_model
from fl_client.components.context import NodeContext
from fl_client.components.follower import Follower
from fl_client.components.health import Health, HealthCounts
from fl_client.components.shadow import Shadow
from fl_client.inference.engine import Engine
from fl_client.inference.slots import ModelSlot
from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Reader
from fl_common.functions import FUNCTION_FILE
from fl_common.programs.troubles import Troubles
from fl_common.vocabulary import Floats
from tests.support.engines import engine_on, no_trial, windows
from tests.support.function_hosts import functions_of
from tests.support.model_files import published
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sandboxes import fields_of

HEALTH = Health(windows=8, more_failures=0.1, times_slower=1000.0, ends=3)
NAME = "activity"
FUNCTION = "steps"
CHANGE = "fl_client.functions.label_change.LabelChange"


def released(world: World, answer: int, canary: int | None = None, **model: Any) -> Component:
    """A model that answers ``answer`` in production of the world's repository."""
    component = added(world, answer, **model)
    promote(world, component, canary=canary)
    return component


def added(world: World, answer: int, **model: Any) -> Component:
    """The same in testing."""
    file = published(world.folder / "made.onnx", answer, **model)
    return world.add(file.read_bytes(), NAME)


def function_added(world: World, class_name: str = CHANGE, **change: Any) -> Component:
    """A function in testing of the world's repository."""
    values = {"class": class_name, "arguments": {"windows": 1}, "labels": list(TASK.labels)}
    file = world.folder / FUNCTION_FILE
    file.write_text(json.dumps({**values, **change}))
    described = {"licence": "MIT"}
    return world.repository().add(Kind.FUNCTION, FUNCTION, None, {file.name: file}, described)


def source_added(world: World, name: str, source: str, /, **changes: Any) -> Component:
    """A function in Python, for a sandbox, in testing of the world's repository."""
    folder = world.folder / "function"
    folder.mkdir(exist_ok=True)
    (folder / FUNCTION_FILE).write_text(json.dumps(fields_of(**changes)))
    (folder / "function.py").write_text(source)
    files = {path.name: path for path in folder.iterdir()}
    described = {"licence": "Apache-2.0", "labels": list(TASK.labels)}
    return world.repository().add(Kind.FUNCTION, name, None, files, described)


def promote(
    world: World, component: Component, what: str = "promoted", canary: int | None = None
) -> None:
    repository = world.repository()
    with repository.change():
        repository.point(Stage.PRODUCTION, component, what, canary_percent=canary)


@dataclass
class SiteBox:
    """What a node does with its follower, without the node. Begins as after a restart."""

    follower: Follower
    engine: Engine
    slot: ModelSlot
    shadow: Shadow | None

    def __post_init__(self) -> None:
        self.follower.resume()
        self.engine.swap()

    def live(self, values_N: Floats | None = None) -> int:
        """One batch of live windows; the label that the site acts on."""
        self.engine.swap()
        values_N = windows(4) if values_N is None else values_N
        prediction = self.engine.predict(values_N)
        if self.shadow is not None:
            self.shadow.see(values_N, prediction)
        self.follower.parts[0].rollout.observe(prediction.digest, HealthCounts.of(prediction))
        return int(prediction.answers_ND[0].argmax())

    def settle(self, batches: int = 3) -> int:
        """A poll and enough windows to end any health window; the label at the end."""
        self.follower.poll()
        for _ in range(batches):
            answer = self.live()
        self.engine.swap()
        return answer

    @property
    def good(self) -> list[str]:
        return [version["version"] for version in self.follower.status()["good"]]


def site(
    world: World,
    name: str = "site",
    *,
    reader: Reader | None = None,
    is_testing: bool = False,
    health: Health = HEALTH,
) -> SiteBox:
    """A site in ``world.folder / name``; in that stage, or in production's."""
    home = world.folder / name
    slot = ModelSlot(home / "slots" / "model")
    shadow = Shadow(TASK, 1, 4, home / "components", 1e6, no_trial) if is_testing else None
    reader = reader or world.reader(name=f"{name}/repository")
    box = NodeContext(name, home, TASK, slot, {}, functions_of({}, 3), 1.0, Troubles())
    follower = Follower(reader, [follow_model(box, NAME, reader, health, shadow)], box.troubles)
    return SiteBox(follower, engine_on(slot), slot, shadow)
