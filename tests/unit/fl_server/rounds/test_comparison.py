"""What goes to the gates of a comparison: no site decides that nothing is told of a guess."""

from dataclasses import replace

import pytest

from fl_common.vocabulary import Evaluation
from fl_server.repository.gates.guess import worse_on_sites
from fl_server.repository.gates.told import Told
from fl_server.rounds.comparison import Comparison, counts_alone
from fl_server.rounds.counts import NoisedCounts
from fl_server.rounds.evaluation import SiteMetrics
from models.kinds.details import details_of
from tests.support import samples

TASK = replace(samples.TASK, labels=("a", "b"))
BAD = Evaluation(40.0, 100.0, 50.0, (30.0, 10.0, 40.0, 20.0, 20.0, 40.0))
"""40 of 100 windows are named right, and 70 of them are of one label."""


def metrics(*given: Evaluation) -> SiteMetrics:
    return SiteMetrics(
        len(given), 0.0, 0.0, details_of(TASK), given=dict(zip(range(9), given, strict=False))
    )


def test_a_site_without_details_silences_no_other() -> None:
    silent = replace(BAD, details=())
    told = counts_alone(metrics(BAD, BAD, silent, BAD))
    assert told is not None
    counts = NoisedCounts(**told["candidate"])
    assert (counts.total, counts.beside_details.total) == (400, 300)
    assert counts.details == tuple(3 * one for one in BAD.details)
    finding = worse_on_sites(counts, TASK, 0.95)
    assert finding is not None
    assert "worse than" in finding.detail
    assert Told.of(counts, TASK).measures["balanced_accuracy"].value == pytest.approx(
        (30 / 70 + 10 / 30) / 2
    )


def test_only_sites_with_details_of_both_are_in_both() -> None:
    pair = metrics(BAD, replace(BAD, details=()), BAD), metrics(BAD, BAD, BAD)
    told = Comparison("d" * 64, *pair).counts()
    assert told is not None
    for one in told.values():
        counts = NoisedCounts(**one)
        assert (counts.total, counts.beside_details.total) == (300, 200)
        assert counts.details == tuple(2 * each for each in BAD.details)


def test_without_any_details_or_with_all_there_is_no_part() -> None:
    for one in (BAD, replace(BAD, details=())):
        told = counts_alone(metrics(one, one))
        assert told is not None
        assert told["candidate"]["detailed"] is None
