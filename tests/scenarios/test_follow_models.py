"""A site follows the repository: real metadata, real slot, real engine."""

import shutil
from datetime import timedelta

import pytest

from fl_client.components.canary import is_canary
from fl_client.components.health import Health
from fl_common.components.description import Kind, Stage
from tests.support.engines import windows
from tests.support.repositories import World
from tests.support.sites import NAME, added, promote, released, site


def test_a_site_takes_a_version_tries_it_and_keeps_it(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    assert box.follower.poll()
    assert box.follower.status()["trial"]["version"] == "1"
    assert [box.live(), box.live()] == [1, 1]
    assert box.follower.status()["trial"] is None
    assert box.good == ["1"]


def test_the_last_two_good_versions_are_kept_and_a_third_is_deleted(world: World) -> None:
    box = site(world)
    for answer in (0, 1, 2):
        released(world, answer)
        assert box.settle() == answer
    assert box.good == ["3", "2"]
    box.follower.poll()
    assert len(list((world.folder / "site/repository/components").iterdir())) == 2


def test_a_version_without_answers_is_rolled_back_by_the_site_itself(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    box.settle()
    bad = released(world, answer=2, not_finite="always")
    assert box.settle() == 1
    (failed,) = box.follower.status()["failed"]
    assert failed["component"] == bad.digest[:16]
    assert "not finite" in failed["reason"]
    assert box.settle() == 1, "it is not tried again while nothing new is signed"
    (trouble,) = box.follower.troubles.current()
    assert trouble.part == f"updates of model {NAME}"
    assert "was rolled back here: " in trouble.cause
    assert len(box.follower.status()["failed"]) == 1
    assert box.good == ["1"]


def test_failures_of_some_windows_are_judged_after_a_restart_too(world: World) -> None:
    """The engine has no reserve in memory then: the share of failures decides."""
    released(world, answer=1)
    site(world).settle()
    released(world, answer=2, not_finite="above the limit")
    site(world).follower.poll()
    box = site(world)
    high = windows(4, 1e6)
    with_reserve = [box.live(high) for _ in range(3)]
    assert box.live() == 1, with_reserve
    assert box.follower.status()["failed"][0]["version"] == "2"


def test_a_rolled_back_version_is_tried_again_when_it_is_promoted_again(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    box.settle()
    component = released(world, answer=2)
    box.follower.poll()
    box.slot.mark_bad(component.files[0].sha256, "broke")
    assert box.settle() == 1
    box.follower.poll()
    assert box.follower.trouble
    promote(world, component)
    assert box.settle() == 2
    assert box.follower.trouble is None


def test_the_only_version_is_tried_again_when_it_is_promoted_again(world: World) -> None:
    component = released(world, answer=2)
    box = site(world)
    box.slot.place(world.folder / "made.onnx")
    box.follower.poll()
    box.slot.mark_bad(component.files[0].sha256, "its trial took too long")
    box.follower.poll()
    assert box.follower.trouble
    promote(world, component)
    assert box.settle() == 2
    assert box.follower.trouble is None


def test_a_slow_version_is_rolled_back(world: World) -> None:
    ticks = iter(range(10**6))
    box = site(world, health=Health(8, 0.1, times_slower=3.0, ends=3))
    box.engine._timer = lambda: next(ticks) * pace  # seconds per call, as a clock would tell
    pace = 0.001
    released(world, answer=1)
    assert box.settle() == 1
    released(world, answer=2)
    pace = 1.0
    assert box.settle() == 1
    assert "times as long as before" in box.follower.status()["failed"][0]["reason"]


def test_one_command_takes_a_site_back_within_one_poll_and_without_a_download(
    world: World,
) -> None:
    first = released(world, answer=1)
    box = site(world)
    box.settle()
    released(world, answer=2)
    assert box.settle() == 2
    promote(world, first, "rolled back")
    shutil.rmtree(world.place / "targets" / "content")
    assert box.follower.poll()
    assert box.live() == 1, "a version that was good here needs no health window"
    assert box.good == ["1", "2"]


def test_a_roll_back_in_the_cloud_ends_a_trial(world: World) -> None:
    first = released(world, answer=1)
    box = site(world)
    box.settle()
    released(world, answer=2)
    box.follower.poll()
    assert box.live() == 2
    promote(world, first, "rolled back")
    box.follower.poll()
    assert box.live() == 1
    assert box.follower.status()["trial"] is None
    assert box.follower.status()["failed"] == []


def test_offline_a_site_goes_on_also_after_a_restart(world: World) -> None:
    released(world, answer=1)
    site(world).settle()
    away = world.reader("http://127.0.0.1:9/", name="site/repository")
    box = site(world, reader=away)
    assert not box.follower.poll()
    assert box.follower.trouble
    assert box.live() == 1


def test_expired_metadata_stop_updates_and_not_inference(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    box.settle()
    world.late = timedelta(days=-8)  # the cloud's signatures are from a week ago
    released(world, answer=2)
    assert not box.follower.poll()
    assert "expired" in (box.follower.trouble or "").lower()
    assert box.live() == 1
    world.late = timedelta()
    promote(world, added(world, answer=0))
    assert box.settle() == 0
    assert box.follower.trouble is None


def test_only_canaries_take_a_canary_and_all_follow_when_it_is_for_all(world: World) -> None:
    first = released(world, answer=1)
    boxes = {name: site(world, name) for name in ("a", "b", "c", "d")}
    for box in boxes.values():
        box.settle()
    second = released(world, answer=2, canary=50)
    share = {name for name in boxes if is_canary(name, second.digest, 50)}
    assert {name for name, box in boxes.items() if box.settle() == 2} == share
    for name, box in boxes.items():
        assert bool(box.follower.status()["waits_for_others"]) == (name not in share)
    promote(world, second)
    assert [box.settle() for box in boxes.values()] == [2] * 4
    promote(world, first, "rolled back")
    assert [box.settle() for box in boxes.values()] == [1] * 4


def test_a_new_site_does_not_wait_for_canaries(world: World) -> None:
    component = released(world, answer=1, canary=1)
    name = next(n for n in "abc" if not is_canary(n, component.digest, 1))
    assert site(world, name).settle() == 1


@pytest.mark.parametrize("share", [0, 100, -5, "50", True, [50]])
def test_a_canary_that_is_no_share_is_refused(world: World, share: object) -> None:
    component = added(world, answer=1)
    repository = world.repository()
    with repository.change():
        repository.point(Stage.PRODUCTION, component, "promoted", canary_percent=share)  # type: ignore[arg-type]
    box = site(world)
    assert not box.follower.poll()
    assert "canary" in (box.follower.trouble or "")


def test_a_component_without_a_model_file_is_refused(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    box.settle()
    repository = world.repository()
    text = world.folder / "readme.txt"
    text.write_text("no model")
    wrong = repository.add(Kind.MODEL, NAME, None, {"readme.txt": text}, {"licence": "MIT"})
    promote(world, wrong)
    assert box.settle() == 1
    assert "0 .onnx files" in (box.follower.trouble or "")


def test_a_version_that_ends_the_process_again_and_again_is_rolled_back(world: World) -> None:
    released(world, answer=1)
    site(world).settle()
    released(world, answer=2)
    site(world).follower.poll()
    for _ in range(2):
        assert site(world).live() == 2
    box = site(world)
    assert box.live() == 1
    assert "ended 3 times" in box.follower.status()["failed"][0]["reason"]


def test_a_new_description_of_the_same_model_file_changes_nothing_that_runs(world: World) -> None:
    first = released(world, answer=1)
    box = site(world)
    box.settle()
    content = (world.place / "targets/content" / f"{first.files[0].sha256}.data").read_bytes()
    promote(world, world.add(content, NAME, about="the same, described better"))
    assert box.settle() == 1
    assert box.good == ["2", "1"]
    assert box.follower.status()["trial"] is None


def test_a_damaged_record_stops_nothing(world: World) -> None:
    released(world, answer=1)
    site(world).settle()
    (world.folder / "site/components/record.json").write_bytes(b"{")
    box = site(world)
    assert box.live() == 1
    assert box.settle() == 1
    assert box.good == ["1"]


def test_a_full_disk_at_the_end_of_a_health_window_stops_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    released(world, answer=1)
    box = site(world)
    box.follower.poll()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr("fl_client.components.rollout.write_record", full)
        assert [box.live() for _ in range(4)] == [1] * 4
        assert box.follower.status()["trial"] is not None
    box.live()
    assert box.good == ["1"]


def test_the_reason_of_a_refusal_is_told_in_one_line(world: World) -> None:
    released(world, answer=1)
    box = site(world)
    (world.place / "metadata" / "timestamp.json").write_text("{}")
    assert not box.follower.poll()
    assert "\n" not in str(box.follower.trouble)
