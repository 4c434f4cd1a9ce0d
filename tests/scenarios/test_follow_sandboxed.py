"""A site follows functions of format 2: source text in a sandbox, within what its owner grants."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from fl_client.components.sandbox import Grant
from fl_client.functions.host import HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.node.watch import look_at_functions
from fl_common.components.description import Component
from fl_common.programs.troubles import Troubles
from tests.support.function_boxes import FunctionBox
from tests.support.function_hosts import close_hosts
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import CHANGE, FUNCTION, function_added, promote, source_added

GRANT = Grant(("python", "wasm"), ("emit", "state", "log"), 50_000_000, 64, 2)
Box = partial(
    FunctionBox, classes=(CHANGE,), grant=GRANT, limits=HostLimits(30.0, 256, GRANT.megabytes)
)
COUNTS = """
def handle(event):
    seen = get("seen", 0) + 1
    put("seen", seen)
    emit("found", {"seen": seen, "label": event.label, "kind": event.kind})
"""


@pytest.fixture(autouse=True)
def _hosts_are_closed() -> Iterator[None]:
    yield
    close_hosts()


@pytest.fixture
def world(world: World) -> World:
    """A box that has compiled the runner before."""
    shutil.copytree(compile_runner(), world.folder / "site" / MACHINE_CODE)
    return world


def released(world: World, source: str = COUNTS, **changes: Any) -> Component:
    given = {"limits": limits(), "on": [{"prediction": TASK.name}], **changes}
    added = source_added(world, FUNCTION, source, **given)
    promote(world, added)
    return added


def test_source_text_is_taken_tried_kept_and_goes_on(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    released(world, COUNTS + '    log("it is called")\n')
    box = Box(world)
    assert box.settle() == ["found"] * 8
    assert (box.good, box.status["trial"]) == (["1"], None)
    assert f"function {FUNCTION}: it is called" in caplog.messages
    released(world, COUNTS.replace("found", "told"), emits={"told": {}})
    assert box.settle() == ["told"] * 8
    assert box.good == ["2", "1"]
    assert box.seen == {"seen": 16, "label": TASK.labels[1], "kind": "classification"}


def test_one_that_fails_on_some_windows_is_rolled_back_with_its_line(world: World) -> None:
    released(world)
    box = Box(world)
    box.settle()
    released(world, "def handle(event):\n    if event.label:\n        return 1 / 0\n")
    assert "found" in box.settle()
    assert box.good == ["1"]
    assert box.status["failed"][0]["version"] == "2"
    assert box.seen["seen"] > 8, "it goes on where it was"


FAILS_LATER = """
def handle(event):
    seen = get("seen", 0) + 1
    if seen > 24:
        raise ValueError("too many")
    put("seen", seen)
    emit("found", {"seen": seen, "label": event.label, "kind": event.kind})
"""
AFTER_TWO = {"on_failure": {"disable_after": {"failures": 2, "of_last": 10}}}


def test_instances_are_counted_by_why_they_were_made_and_lines_that_are_left_out(
    world: World,
) -> None:
    burns = "    for n in range(25): log('x')\n    if seen > 8: 1 << 10**9\n    put"
    released(world, COUNTS.replace("    put", burns))
    box = Box(world)
    box.settle()
    assert [box.live() for _ in range(3)] == [[]] * 3
    tally = box.functions.tally
    assert tally.calls == {(FUNCTION, "found"): 8, (FUNCTION, "memory"): 3}
    assert tally.instances == {(FUNCTION, "start"): 1, (FUNCTION, "memory"): 2}
    assert tally.unsaid[FUNCTION] == 11 * 25 - 100


def box_with_a_second_version(world: World) -> FunctionBox:
    """It took the first, then one that fails later; both passed their trials."""
    released(world)
    box = Box(world)
    box.settle()
    released(world, FAILS_LATER, **AFTER_TWO)
    box.settle()
    return box


def test_one_that_is_left_out_after_its_trial_gives_way_to_the_version_before_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = box_with_a_second_version(world)
    assert box.good == ["2", "1"]
    told = [box.live() for _ in range(12)]
    assert told == [["found"]] * 8 + [[]] * 2 + [["found"]] * 2, "no window is lost to both"
    assert box.seen["seen"] == 26, "it goes on where the other was"
    assert box.good == ["1"]
    (failed,) = box.status["failed"]
    assert failed["reason"].endswith("first: ValueError: too many (function.py:5)")
    said = [one for one in caplog.messages if "function.py:5" in one and "rolled back to 1" in one]
    assert len(said) == 1
    assert not [one for one in caplog.messages if "is disabled:" in one]
    assert box.part.rollout.happened["rolled_back"] == 1
    assert box.functions.disabled == {}
    close_hosts()
    again = Box(world)
    assert (again.live(), again.good) == (["found"], ["1"])
    again.follower.poll()
    assert "was rolled back here: it failed 2 times" in str(again.part.refused)


def test_what_takes_over_before_that_is_written_is_the_same_after_a_restart(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = box_with_a_second_version(world)

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr("fl_client.components.rollout.write_record", refuse)
        assert [box.live() for _ in range(12)][-1] == ["found"]
    assert box.good == ["2", "1"], "it could not be written"
    box.live()
    assert box.good == ["1"]


def test_without_a_version_before_it_stays_left_out(world: World) -> None:
    released(world, FAILS_LATER.replace("24", "8"), **AFTER_TWO)
    box = Box(world)
    box.settle()
    assert [box.live() for _ in range(4)] == [[]] * 4
    assert box.good == ["1"]
    assert box.functions.tally.calls[FUNCTION, "left_out"] == 2
    troubles = Troubles()
    look_at_functions(box.functions, troubles)
    (trouble,) = troubles.current()
    assert (trouble.part, "function.py:5" in trouble.cause) == (f"function {FUNCTION}", True)


def test_what_was_good_and_is_granted_no_more_is_named(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    released(world)
    Box(world).settle()
    close_hosts()
    box = Box(world, grant=replace(GRANT, fuel=10))
    assert box.live() == []
    assert len([one for one in caplog.messages if "was good, and does not run" in one]) == 1
    box.follower.poll()
    assert "limits.fuel=50,000,000" in str(box.follower.trouble)


def test_one_that_costs_over_three_times_as_much_is_rolled_back(world: World) -> None:
    released(world)
    box = Box(world)
    box.settle()
    released(world, COUNTS + "    sum(range(5000))\n")
    assert box.settle() == ["found"] * 8
    assert box.good == ["1"]
    assert "times as much as before; 3 times is allowed" in box.status["failed"][0]["reason"]
    tally = box.functions.tally
    assert tally.calls == {(FUNCTION, "found"): 16}
    assert tally.fuel[FUNCTION] > 0


def test_one_that_hangs_holds_up_no_other(world: World) -> None:
    released(world, "def handle(event):\n    while True: pass\n")
    box = Box(world)
    assert box.settle() == []
    assert box.functions.failures == {FUNCTION: 1}
    assert sum(box.functions.tally.calls.values()) == 1
    assert {outcome for _, outcome in box.functions.tally.calls} <= {"time", "fuel"}
    assert "without an answer" in box.status["failed"][0]["reason"]


@pytest.mark.parametrize(
    ("source", "changes", "words"),
    [
        (COUNTS, {"limits": limits(fuel=10**9)}, "limits.fuel=1,000,000,000"),
        (COUNTS, {"limits": limits(memory_mb=65)}, "limits.memory_mb=65"),
        (COUNTS, {"limits": limits(milliseconds=50_000)}, "function_host.seconds allows"),
        (COUNTS, {"on": [{"window": "weather"}]}, "is not for what this box gives"),
        (COUNTS, {"on": [{"prediction": "weather"}]}, "is not for what this box gives"),
        (COUNTS, {"labels": ["other"]}, "is not for this site's"),
        (COUNTS, {"file": "other.py"}, "can't be read"),
        ("def handle(event", {}, "SyntaxError"),
        ("import socket", {}, "no module socket"),
    ],
)
def test_what_is_not_granted_or_no_function_is_refused_when_taken(
    world: World, source: str, changes: dict[str, Any], words: str
) -> None:
    released(world, source, **changes)
    box = Box(world)
    assert box.settle() == box.settle() == []
    assert words in box.status["failed"][0]["reason"]
    assert "\n" not in box.status["failed"][0]["reason"]


def test_without_a_grant_none_runs(world: World) -> None:
    released(world)
    box = Box(world, grant=None, limits=None)
    assert box.settle() == box.settle() == []
    assert "this box grants none" in box.status["failed"][0]["reason"]


def test_what_was_not_granted_runs_after_the_owner_grants_it(world: World) -> None:
    released(world)
    box = Box(world, grant=replace(GRANT, needs=("log",)))
    assert box.settle() == box.settle() == []
    again = Box(world)
    assert again.settle() == ["found"] * 8
    assert again.follower.trouble is None


def test_the_shadow_of_another_form_is_compared(world: World) -> None:
    released(world)
    box = Box(world, is_testing=True)
    box.settle()
    function_added(world, arguments={"windows": 1})
    box.settle()
    assert box.status["shadow"]["windows"] == 8
    assert box.status["shadow"]["trouble"] is None


def test_a_node_starts_before_its_function_is_compiled(world: World) -> None:
    released(world)
    Box(world).settle()
    close_hosts()
    shutil.rmtree(world.folder / "site" / MACHINE_CODE)
    box = Box(world)  # begins at once
    assert len(box.functions) == 1
    assert not (world.folder / "site" / MACHINE_CODE).exists()


@pytest.mark.long
def test_a_box_compiles_by_itself_inside_the_wall(world: World) -> None:
    shutil.rmtree(world.folder / "site" / MACHINE_CODE)
    released(world)
    box = Box(world)
    assert box.settle() == ["found"] * 8
    (made,) = (world.folder / "site" / MACHINE_CODE).glob("*.machine")
    assert made.stat().st_mode & 0o777 == 0o600
