"""A new version that fails now and then: each canary of it goes back by itself."""

import shutil
from collections import Counter
from collections.abc import Iterator

import pytest

from fl_client.__main__ import main
from fl_client.components.canary import is_canary
from fl_client.components.health import Health
from fl_client.components.sandbox import Grant
from fl_client.functions.host import HostLimits
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_client.home import STORE
from fl_common.functions import Predicted
from tests.support.fed_functions import FedFunctions
from tests.support.function_boxes import FunctionBox
from tests.support.function_hosts import close_hosts
from tests.support.repositories import World
from tests.support.samples import TASK
from tests.support.sandboxes import compile_runner, limits
from tests.support.sites import FUNCTION, promote, source_added

GRANT = Grant(("python",), ("emit", "state", "log"), 50_000_000, 64, 2)
HEALTH = Health(windows=100, more_failures=0.02, times_slower=3.0, ends=3)
EACH, PERCENT = 60, 60
ALARMS = """
def handle(event):
    seen = get("seen", 0) + 1
    put("seen", seen)
    emit("found", {"seen": seen})
"""
FAILS = ALARMS.replace(
    '    put("seen"', '    if event.start_ns // 10 % 20 == 7: 1 / 0\n    put("seen"'
)


@pytest.fixture(autouse=True)
def _hosts_are_closed() -> Iterator[None]:
    yield
    close_hosts()


class Site:
    """A site that follows the repository, and tells an alarm of each window."""

    def __init__(self, world: World, name: str) -> None:
        self.home = world.folder / name
        shutil.copytree(compile_runner(), self.home / MACHINE_CODE)
        limits_of_host = HostLimits(60.0, 256, GRANT.megabytes)
        self.box = FunctionBox(
            world, (), grant=GRANT, limits=limits_of_host, name=name, health=HEALTH
        )
        self.fed = FedFunctions(self.home / STORE, self.box.functions, self._note)
        self.alarms: Counter[int] = Counter()
        self._shown = 0

    def _note(self) -> None:
        if (seen := self.box.target.seen()) is not None:
            self.box.part.rollout.observe(*seen)

    def live(self, windows: int) -> None:
        """So many windows, ten at a time, of which a poll may come between any."""
        shares = tuple(0.9 if not label else 0.0 for label in range(len(TASK.labels)))
        for first in range(self._shown, self._shown + windows, 10):
            numbers = range(first, first + 10)
            told = self.fed.show(
                [Predicted(10 * n, 10 * n + 1, TASK.labels, shares) for n in numbers]
            )
            self.alarms.update(event.start_ns for event, _, _ in told)
        self._shown += windows

    def retried(self) -> list[int]:
        """Letters as alarms, with their own times."""
        if not self.fed.feed.counts().letters:
            return []
        main(["functions", "retry", FUNCTION, "--home", str(self.home)])
        found = [event.start_ns for event, _, _ in self.fed.show()]
        self.alarms.update(found)
        return found


def released(world: World, source: str, canary: int | None = None) -> str:
    given = {"limits": limits(), "on": [{"prediction": TASK.name}]}
    added = source_added(world, FUNCTION, source, **given)
    promote(world, added, canary=canary)
    return added.digest


@pytest.mark.long
def test_each_canary_goes_back_by_itself_and_no_alarm_is_lost_or_told_twice(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    released(world, ALARMS)
    names = [f"site-{number}" for number in range(3)]
    sites = {name: Site(world, name) for name in names}
    for site in sites.values():
        site.box.follower.poll()
        site.live(100)
        assert site.box.good == ["1"]
    digest = released(world, FAILS, canary=PERCENT)
    canaries = {name for name in names if is_canary(name, digest, PERCENT)}
    assert canaries, "by the digest of the component, which is always the same"
    for name, site in sites.items():
        site.box.follower.poll()
        site.live(EACH)
        (went_back,) = site.box.status["failed"] or [None]
        assert (went_back is not None) == (name in canaries)
        assert site.box.good == ["1"]
        if went_back is not None:
            assert "function.py:4" in went_back["reason"], "the author's line"
    lines = [one for one in caplog.messages if "is rolled back to 1" in one]
    assert len(lines) == len(canaries)
    for name, site in sites.items():
        letters = site.retried()
        assert (letters != []) == (name in canaries)
        assert [*site.alarms.values()] == [1] * (100 + EACH), "none twice"
        assert sorted(site.alarms) == [10 * n for n in range(100 + EACH)], "none lost"
        site.fed.close()
