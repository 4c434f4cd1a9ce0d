"""A site follows function components: installed classes with signed values, and nothing else."""

import os
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fl_client.components.comparison import compare_on
from fl_client.components.counts import read_counts
from fl_client.components.inventory import InstalledComponent, running
from fl_client.components.metrics import ComponentMetrics
from fl_common.components.description import Component
from fl_common.functions import FunctionEvent, Predicted
from tests.support.engines import no_trial
from tests.support.function_boxes import FunctionBox
from tests.support.function_hosts import close_hosts
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sites import CHANGE, FUNCTION, function_added, promote

FAULTY = f"{__name__}.Faulty"
Box = partial(FunctionBox, classes=(CHANGE, FAULTY))


@pytest.fixture(autouse=True)
def _hosts_are_closed() -> Iterator[None]:
    yield
    close_hosts()


class Faulty:
    """Raises at each window, as a function of somebody's may."""

    def __call__(self, predicted: Predicted) -> Iterable[FunctionEvent]:
        raise ValueError("no such thing")


def released(world: World, class_name: str = CHANGE, **change: Any) -> Component:
    component = function_added(world, class_name, **change)
    promote(world, component)
    return component


def test_a_function_is_taken_tried_kept_and_used(world: World) -> None:
    first = released(world)
    box = Box(world)
    assert box.live() == []
    assert box.settle() == ["label-change"] * 8
    assert (box.good, box.status["trial"]) == (["1"], None)
    assert running(world.folder / "site") == [InstalledComponent(first.digest, on_trial=False)]
    released(world, arguments={"windows": 2})
    box.follower.poll()
    assert running(world.folder / "site")[0].on_trial
    assert box.settle() == []
    assert box.good == ["2", "1"]


def test_one_that_raises_is_rolled_back_by_the_site_itself(world: World) -> None:
    released(world)
    box = Box(world)
    box.settle()
    released(world, FAULTY, arguments={})
    assert "label-change" in box.settle()
    assert box.status["failed"][0]["version"] == "2"
    assert box.good == ["1"]
    assert box.settle() == ["label-change"] * 8
    assert len(box.status["failed"]) == 1, "it is not tried again while nothing new is signed"


def test_a_first_one_that_raises_leaves_none(world: World) -> None:
    released(world, FAULTY, arguments={})
    box = Box(world)
    assert box.settle() == []
    assert box.functions.failures == {FUNCTION: 1}
    assert (box.good, box.status["failed"][0]["version"]) == ([], "1")


@pytest.mark.parametrize(
    ("class_name", "change", "reason"),
    [
        ("os.system", {"arguments": {"command": "touch taken"}}, "not among those allowed"),
        ("pathlib.Path", {"arguments": {}}, "not among those allowed"),
        (CHANGE, {"arguments": {"windows": 0}}, "must be at least 1"),
        (CHANGE, {"arguments": {"_target_": "os.system", "command": "true"}}, "can't be made"),
        (CHANGE, {"labels": ["other"]}, "is not for this site's"),
        (CHANGE, {"code": "import os"}, "and nothing else"),
    ],
)
def test_what_the_site_does_not_allow_never_runs_whoever_has_signed_it(
    world: World, class_name: str, change: dict[str, Any], reason: str
) -> None:
    """The production key is stolen: it can choose among installed classes that are allowed."""
    released(world)
    box = Box(world)
    box.settle()
    released(world, class_name, **change)
    assert box.settle() == ["label-change"] * 8
    assert reason in box.status["failed"][0]["reason"]
    assert box.good == ["1"]


def test_offline_and_after_a_restart_the_last_good_one_runs(world: World) -> None:
    released(world)
    Box(world).settle()
    away = world.reader(world.folder / "nowhere", name="site/repository")
    box = Box(world, reader=away)
    assert not box.follower.poll()
    assert box.live() == ["label-change"]


def test_a_file_that_was_altered_on_the_site_does_not_run_and_is_fetched_again(
    world: World,
) -> None:
    component = released(world)
    Box(world).settle()
    held = world.folder / "site/repository/components" / component.digest / "function.json"
    held.write_text(held.read_text().replace("1}", "2}"))
    box = Box(world)
    assert box.live() == []
    assert box.settle() == ["label-change"] * 8


def test_a_rollback_in_the_cloud_is_followed_without_a_trial(world: World) -> None:
    first = released(world)
    box = Box(world)
    box.settle()
    released(world, arguments={"windows": 2})
    box.settle()
    promote(world, first, "rolled back")
    box.follower.poll()
    assert (box.good, box.status["trial"]) == (["1", "2"], None)
    assert box.live(0) == ["label-change"]


def test_a_candidate_of_testing_is_counted_and_acts_on_nothing(world: World) -> None:
    released(world)
    candidate = function_added(world, arguments={"windows": 2})
    box = Box(world, is_testing=True)
    assert [box.settle(), box.live(1)] == [["label-change"] * 8, []]
    shown = box.status["shadow"]
    assert (shown["windows"], shown["agreed"], shown["failed"]) == (9, 0, 0)
    box.follower.poll()
    kept = read_counts(world.folder / "site/components/functions/steps/shadow.json")
    assert (kept.candidate, kept.windows) == (candidate.digest, 9)
    home = world.folder / "site"
    assert compare_on(home, TASK, candidate.digest, no_trial) is None, "they stay here"


def test_a_candidate_that_raises_is_told_of_and_stops_nothing(world: World) -> None:
    released(world)
    function_added(world, FAULTY, arguments={})
    box = Box(world, is_testing=True)
    assert box.settle() == ["label-change"] * 8
    assert box.status["shadow"]["failed"] == 8
    assert "no such thing" in box.status["shadow"]["trouble"]


def test_updates_are_counted_with_their_results_and_versions(world: World) -> None:
    first = released(world)
    box = Box(world, is_testing=True)
    box.settle()
    bad = released(world, FAULTY, arguments={})
    box.settle()
    box.follower.poll()
    (world.place / "metadata" / "timestamp.json").write_text("{}")
    box.follower.poll()
    samples = {
        (sample.name.removeprefix("fl_client_"), *sample.labels.values()): sample.value
        for family in ComponentMetrics(box.follower).collect()
        for sample in family.samples
    }
    who = ("function", FUNCTION)
    results = {key[3]: value for key, value in samples.items() if key[0].endswith("updates_total")}
    assert results == {"taken": 2, "kept": 1, "returned": 0, "rolled_back": 1}
    assert samples["component_info", *who, "production", "1", first.digest[:16]] == 1
    assert samples["component_info", *who, "testing", "2", bad.digest[:16]] == 1
    assert samples["component_polls_total", "failed"] == 1
    assert samples["component_refusals_total", "malformed"] == 1
    assert samples["component_refusals_total", "expired"] == 0


class _Died(BaseException):
    """The site's end: not an error that any code catches."""


@pytest.mark.long
def test_a_function_arrives_whatever_step_the_power_is_cut_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every fsync and rename of a poll and a health window is a place to die."""
    released(world)
    Box(world).settle()
    released(world, arguments={"windows": 2})
    step, whole = 0, False
    original, before = world.folder / "site", world.folder / "before"
    shutil.copytree(original, before)
    while not whole:
        shutil.rmtree(original)
        shutil.copytree(before, original)
        whole = _lives(world, step, monkeypatch)
        at_once = Box(world).live()
        assert at_once in ([], ["label-change"])
        box = Box(world)
        box.settle()
        assert box.good == ["2", "1"], step
        step += 1
    assert step > 8


def _lives(world: World, steps: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Follow, and die after so many durable steps; whether it came to its end."""
    box, left = Box(world), [steps]

    def counted(real: Any) -> Any:
        def step(*arguments: object, **options: object) -> object:
            left[0] -= 1
            if left[0] < 0:
                raise _Died
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(Path, "replace", counted(Path.replace))
        try:
            box.settle()
        except _Died:
            return False
    return True
