"""What happens to a run when a site is killed or away: real processes, ended for real.

One deployment runs round after round; each test breaks something, and sees that the rounds go on
and that no site trained or charged a round twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.deployed.fleet import Cloud, TestSite, until

pytestmark = pytest.mark.timeout(900)
_SITES = ("anna", "ben", "cleo")


@dataclass
class Fleet:
    cloud: Cloud
    sites: dict[str, TestSite]
    killed: set[str] = field(default_factory=set)
    """Who may have charged a round without an answer: that one is charged again if repeated."""

    def check_accounts(self) -> None:
        """No round was trained twice on a site, and none is in a ledger twice."""
        for site in (one for name, one in self.sites.items() if name not in self.killed):
            assert max(site.rounds_trained().values(), default=1) == 1, site.name
            charged = until(site.rounds_charged, "the ledger can be read")
            assert max(charged.values()) == 1, site.name

    def all_there(self) -> dict[str, Any]:
        return self.cloud.await_round_with(lambda row: row["updates"] == 3, "all three sites")


@pytest.fixture(scope="module")
def fleet(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    changes = {
        "rounds": 2000,
        "sites": 2,
        "strategy": {"round_timeout_s": 15.0, "minimum_sites": 2, "largest_update_norm": 50.0},
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 20.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("faults"), changes)
    sites = {name: TestSite(cloud, name) for name in _SITES}
    try:
        cloud.start()
        for site in sites.values():
            site.enroll()
            site.behave(delay=0.1)
            site.process.start()
        fleet = Fleet(cloud, sites)
        fleet.all_there()
        yield fleet
    finally:
        for site in sites.values():
            if site.process.popen is not None:
                site.process.kill()
        cloud.process.stop()


def test_a_site_killed_in_a_round_is_left_out_and_comes_back_by_itself(fleet: Fleet) -> None:
    anna = fleet.sites["anna"]
    before = len(anna.rounds_charged())
    anna.behave(delay=5.0)
    asked = fleet.cloud.round()
    until(lambda: fleet.cloud.round() > asked, "a round with a slow site")
    anna.process.kill()
    fleet.killed.add("anna")
    row = fleet.cloud.await_round_with(lambda row: row["updates"] == 2, "a round without it")
    assert "anna" not in row["answered"]
    anna.behave(delay=0.1)
    anna.process.start()
    until(lambda: "anna" in fleet.cloud.newest().get("answered", ()), "it is back")
    assert anna.process.said("refused by") or anna.process.said("joined")
    assert len(anna.rounds_charged()) > before
    fleet.check_accounts()


def test_a_site_that_is_away_for_three_rounds_is_the_same_afterwards(fleet: Fleet) -> None:
    ben = fleet.sites["ben"]
    fleet.all_there()
    node = ben.process.log.read_text().split("as node ")[1].split()[0]
    before = len(ben.rounds_charged())
    assert ben.process.stop() == 0
    fleet.cloud.await_round_with(lambda row: "ben" not in row["answered"], "it is away")
    fleet.cloud.await_rounds(2)
    ben.process.start()
    until(lambda: "ben" in fleet.cloud.newest()["answered"], "it is back")
    assert ben.process.log.read_text().split("as node ")[-1].split()[0] == node
    assert len(ben.rounds_charged()) > before
    fleet.check_accounts()
