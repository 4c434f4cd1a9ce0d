"""The site's part in a federation, by the files of the process beside the node."""

import json
from pathlib import Path

from fl_client.federation.traffic import TrafficRecord
from fl_client.home import TRAINING
from fl_client.node.federation_watch import FederationWatch
from fl_client.site.shortfalls import FILE
from fl_common.programs.troubles import Troubles


class Site:
    """A watch, and the record that the link keeps."""

    def __init__(self, home: Path, *, takes_part: bool = True) -> None:
        self._home, self.troubles = home, Troubles()
        self.watch = FederationWatch(home, takes_part, self.troubles)
        self.link = TrafficRecord(home / TRAINING)

    def answers(self, lacking: dict[str, int]) -> None:
        """One more answer; ``lacking``: how many lacked data by now."""
        (self._home / FILE).write_text(json.dumps(lacking))
        self.link.counts.answers["train"] += 1
        self.link.note_clock(float(self.link.counts.answers["train"]) * 10)

    def causes(self) -> dict[str, str]:
        self.watch.look()
        return {trouble.part: trouble.cause for trouble in self.troubles.current()}


def test_a_server_that_refuses_or_is_out_of_reach_is_a_trouble_until_it_answers(
    tmp_path: Path,
) -> None:
    site = Site(tmp_path)
    assert site.causes() == {}
    site.link.note_unreachable("timed out")
    assert site.causes() == {"federation": "the server is out of reach: timed out"}
    site.link.note_refused("code 401")
    assert site.causes() == {"federation": "the server refuses this site: code 401"}
    shown = site.watch.shown()
    assert shown is not None
    assert not shown["joined"]
    site.link.note_joined()
    assert site.causes() == {}


def test_an_answer_without_data_that_are_there_is_a_trouble_until_the_next(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.answers({"died": 3})
    assert site.causes() == {}  # of former days
    site.answers({"died": 4})
    assert list(site.causes()) == ["training data"]
    assert list(site.causes()) == ["training data"]
    site.answers({"died": 4, "empty": 1, "outside": 1})
    assert site.causes() == {}


def test_a_node_that_takes_no_part_says_nothing_of_an_old_file(tmp_path: Path) -> None:
    site = Site(tmp_path, takes_part=False)
    site.link.note_refused("revoked")
    assert site.causes() == {}
    assert site.watch.shown() is None
