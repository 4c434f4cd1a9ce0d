"""A box follows networks and the functions that ask them: in which order, and what waits why."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fl_client.components.context import NodeContext
from fl_client.components.follow_function import FunctionRules, follow_function
from fl_client.components.follower import Follower
from fl_client.components.health import Health
from fl_client.components.network import follow_networks
from fl_client.components.sandbox import Grant
from fl_client.functions.host import HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.functions.host.process import HostProcess
from fl_client.functions.runner import Functions
from fl_client.inference.slots import ModelSlot
from fl_common.components.description import Component, Kind
from fl_common.functions.events import Window
from fl_common.programs.troubles import Troubles
from tests.support.networks import SPEC, STEP_NS, counting, networks_in
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import promote, source_added

GRANT = Grant(("python",), ("emit", "state", "infer"), 50_000_000, 64, 2)
HEALTH = Health(windows=4, more_failures=0.1, times_slower=1000.0, ends=3)
ASKS = """
def handle(event):
    emit("found", {"total": infer(event.values, [1, len(event.values)])[0]})
"""


@dataclass
class Box:
    """The networks and functions of a box, and what follows them. Begins as after a restart."""

    world: World
    networks: tuple[str, ...] = ("one",)
    functions: tuple[str, ...] = ("asks",)
    megabytes: float = 1000.0
    every_ns: float = STEP_NS
    host: HostProcess = field(init=False)

    def __post_init__(self) -> None:
        home, troubles = self.world.folder / "site", Troubles()
        about = {"megabytes": self.megabytes, "every_ns": self.every_ns}
        self.asked = networks_in(home, *self.networks, **about)
        host_limits = HostLimits(30.0, 256, GRANT.megabytes)
        self.host = HostProcess(home, host_limits, troubles, networks=self.asked.ask)
        self.running = Functions({}, self.host, failures_allowed=3)
        box = NodeContext(
            "site", home, TASK, ModelSlot(home / "slots/model"), {}, self.running, 20.0, troubles,
            networks=self.asked,
        )  # fmt: skip
        reader = self.world.reader(name="site/repository")
        node = {"networks": list(self.networks), "functions": list(self.functions)}
        self.parts = list(follow_networks(node, box, reader, HEALTH, _file_of))
        rules = FunctionRules((), GRANT, 20.0)
        self.targets = [
            follow_function(box, name, reader, HEALTH, rules, is_testing=False)
            for name in self.functions
        ]
        parts = [*(one for one, _ in self.targets), *(one for one, _ in self.parts)]
        self.follower = Follower(reader, parts, troubles)
        self.follower.resume()
        self._window = 0

    def live(self, windows: int = 1) -> list[float]:
        """What the function found in so many windows."""
        found = []
        for _ in range(windows):
            start_ns, self._window = self._window * STEP_NS, self._window + 1
            event = Window(start_ns, start_ns + STEP_NS, ("x",), (1.0, 1.0, 1.0, 1.0))
            found += [event.data["total"] for _, event in self.running(event).found]
        for subscription, counts in self.parts:
            if (asked := counts()) is not None:
                subscription.rollout.observe(*asked)
        return found

    def status(self, name: str = "one") -> dict[str, Any]:
        found: dict[str, Any] = self.follower.status()["networks"][name]
        return found


def _file_of(component: Component) -> str:
    return component.files[0].sha256


@pytest.fixture
def world(world: World) -> World:
    """A box that has compiled the runner before."""
    shutil.copytree(compile_runner(), world.folder / "site" / MACHINE_CODE)
    return world


@pytest.fixture
def boxes() -> Iterator[list[Box]]:
    made: list[Box] = []
    yield made
    for box in made:
        box.host.close()


def released(world: World, content: bytes, name: str = "one", **changes: Any) -> Component:
    """A network in production, whose description ``changes``."""
    network = {**SPEC, **changes.pop("network", {})}
    added = world.add(content, name, licence="MIT", network=network, **changes)
    promote(world, added)
    return added


def function_released(world: World, source: str = ASKS, **changes: Any) -> Component:
    about: dict[str, Any] = {"on": [{"window": "*"}], "needs": ["emit", "infer"], "asks": "one"}
    about["limits"] = limits()
    added = source_added(world, "asks", source, **about, **changes)
    promote(world, added)
    return added


def test_a_function_waits_for_its_network_and_both_are_taken_kept_and_go_on(
    world: World, boxes: list[Box]
) -> None:
    function = function_released(world)
    boxes.append(box := Box(world))
    box.follower.poll()
    assert "asks the network one, which does not serve here" in str(box.follower.trouble)
    needed = {"kind": "function", "name": "asks", "digest": function.digest}
    released(world, counting(), requires=[needed])
    assert box.follower.poll()
    assert box.follower.trouble is None
    assert box.live(5) == [8, 16, 24, 32, 40]
    assert [one["version"] for one in box.status()["good"]] == ["1"]
    boxes.append(again := Box(world))
    assert again.live(2) == [8, 16], "after a restart it serves without the repository"
    assert again.asked.begun == {("one", "start"): 1}


def test_a_network_waits_until_its_owner_has_named_its_function(
    world: World, boxes: list[Box]
) -> None:
    needed = {"kind": "function", "name": "asks", "digest": "0" * 64}
    released(world, counting(), requires=[needed])
    boxes.append(box := Box(world, functions=()))
    box.follower.poll()
    assert "used with the function asks, which components.functions does not" in str(
        box.follower.trouble
    )
    assert not box.asked.serves("one")


def box_with_a_good_one(world: World, boxes: list[Box]) -> Box:
    """Its function asks the first version, which has passed its trial."""
    function_released(world)
    released(world, counting())
    boxes.append(box := Box(world))
    box.follower.poll()
    box.live(5)
    return box


def test_a_version_that_fails_gives_way_to_the_one_before(world: World, boxes: list[Box]) -> None:
    box = box_with_a_good_one(world, boxes)
    released(world, counting(factor=1000.0, broken=True))
    box.follower.poll()
    box.live(5)
    assert [one["version"] for one in box.status()["failed"]] == ["2"]
    assert box.live(2) == [8, 16]


def test_a_version_that_can_t_compute_gives_way_to_the_one_before(
    world: World, boxes: list[Box]
) -> None:
    box = box_with_a_good_one(world, boxes)
    released(world, counting(raises=True))
    box.follower.poll()
    assert box.live(2) == []
    assert [one["version"] for one in box.status()["failed"]] == ["2"]
    assert box.live(2) == [8, 16]


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ({"state": {"s": "nothing"}}, "no output of the file"),
        ({"constants": {"k": 1.5}}, "sets 'k'"),
        ({"megabytes": 5000}, "does not fit beside"),
        ({"shapes": [[1, 9_000_000]], "megabytes": 1}, "the model"),
    ],
)
def test_a_description_that_is_none_of_its_file_never_serves_and_is_said(
    world: World, boxes: list[Box], network: dict[str, Any], words: str
) -> None:
    released(world, counting(), network=network)
    boxes.append(box := Box(world, functions=()))
    box.follower.poll()
    box.follower.poll()
    assert not box.asked.serves("one")
    (failed,) = box.status()["failed"]
    assert words in failed["reason"]


def test_a_model_that_says_not_how_it_is_asked_is_no_network(
    world: World, boxes: list[Box]
) -> None:
    promote(world, world.add(counting(), "one"))
    boxes.append(box := Box(world, functions=()))
    box.follower.poll()
    box.follower.poll()
    (failed,) = box.status()["failed"]
    assert "has no part network" in failed["reason"]


@pytest.mark.parametrize("network", [{}, {"hop": 3}])
def test_one_that_does_not_fit_the_box_serves_after_its_owner_has_set_it_up_otherwise(
    world: World, boxes: list[Box], network: dict[str, Any]
) -> None:
    released(world, counting(), network=network)
    boxes.append(box := Box(world, functions=(), megabytes=100, every_ns=STEP_NS))
    box.follower.poll()
    box.follower.poll()
    assert not box.asked.serves("one")
    every_ns = network.get("hop", 1) * STEP_NS
    boxes.append(again := Box(world, functions=(), every_ns=every_ns))
    again.follower.poll()
    assert again.asked.serves("one")
    assert again.follower.trouble is None


def test_a_good_one_that_has_no_room_any_more_comes_back_with_the_room(
    world: World, boxes: list[Box]
) -> None:
    box_with_a_good_one(world, boxes)
    boxes.append(small := Box(world, megabytes=100))
    small.follower.poll()
    assert "does not fit beside" in str(small.asked.troubles()["one"])
    assert "does not fit beside" in str(small.follower.trouble)
    boxes.append(large := Box(world))
    assert large.live(2) == [8, 16]


def test_a_corrected_description_of_the_same_file_serves(world: World, boxes: list[Box]) -> None:
    released(world, counting(), network={"constants": {"k": 1.5}})
    boxes.append(box := Box(world, functions=()))
    box.follower.poll()
    box.follower.poll()
    released(world, counting())
    box.follower.poll()
    assert box.asked.serves("one")


def test_a_wrong_description_of_a_good_file_leaves_the_good_one(
    world: World, boxes: list[Box]
) -> None:
    box = box_with_a_good_one(world, boxes)
    released(world, counting(), network={"constants": {"k": 1.5}})
    for _ in range(2):
        box.follower.poll()
        assert box.live(1)
    assert "sets 'k'" in str(box.follower.trouble)
    assert [one["version"] for one in box.status()["good"]] == ["1"]


def test_a_question_that_does_not_fit_fails_with_the_authors_line(
    world: World, boxes: list[Box]
) -> None:
    function_released(world)
    released(world, counting())
    boxes.append(box := Box(world))
    box.follower.poll()
    assert box.live() == [8]
    function_released(world, "def handle(event):\n    infer([0.0] * 3, [1, 3, 1])\n")
    box.follower.poll()
    window = Window(10**15, 10**15 + 1, ("x",), (0.0,))
    (failed,) = box.running(window).failed
    assert "function.py:2" in failed.reason


def test_kinds_of_components_and_their_rooms(world: World, boxes: list[Box]) -> None:
    released(world, counting())
    boxes.append(box := Box(world, functions=()))
    box.follower.poll()
    status = box.follower.status()
    assert set(status) == {"functions", "networks", "trouble"}
    record = world.folder / "site" / "components" / "networks" / "one" / "record.json"
    assert record.is_file()
    assert not (record.parents[2] / "record.json").exists()
    assert [part.kind for part in box.follower.parts] == [Kind.MODEL]
    assert Path(record).parents[3].name == "site"
