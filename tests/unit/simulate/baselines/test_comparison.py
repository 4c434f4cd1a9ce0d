"""The answer: what counts as worth it, and for whom."""

from collections.abc import Sequence

import pytest

from models.kinds import Measure
from simulate.baselines.chart import chart
from simulate.baselines.comparison import CENTRALISED, LOCAL, Comparison, Way
from simulate.home import FEDERATED

ACCURACY = Measure("accuracy", "accuracy", True)
ERROR = Measure("mae", "mean absolute error", False, "Cel")


def compared(
    alone: Sequence[float], together: Sequence[float], measure: Measure = ACCURACY
) -> Comparison:
    names = [f"site-{number}" for number in range(len(alone))]
    return Comparison(
        task="gait",
        net="mlp",
        rounds=3,
        passes=1,
        seed=0,
        measure=measure,
        noun="windows",
        judged_on="test windows",
        privacy_unit="none",
        delta=None,
        sites=names,
        left_out=0,
        stopped=0,
        local=Way(LOCAL, alone, None, 10),
        federated=Way(FEDERATED, together, None, 10),
        centralised=Way(CENTRALISED, [0.9] * len(alone), None, 10),
    )


def test_the_worst_tenth_is_each_ways_own_and_one_site_at_least() -> None:
    found = compared([0.5, 0.6, *[0.8] * 18], [*[0.9] * 18, 0.7, 0.7])
    assert found.worst_tenth(found.local) == pytest.approx(0.55)
    assert found.worst_change == pytest.approx(0.15)
    assert compared([0.5, 0.9], [0.6, 0.9]).worst_change == pytest.approx(0.1)


def test_of_errors_the_largest_are_the_worst_and_fewer_are_better() -> None:
    found = compared([9.0, 8.0, *[3.0] * 18], [*[2.0] * 18, 4.0, 4.0], ERROR)
    assert found.worst_tenth(found.local) == pytest.approx(8.5)
    assert found.worst_change == pytest.approx(-4.5)
    assert found.is_worth_it is True
    assert found.better_off == 18
    assert found.answer == (
        "Was federating worth it? Yes: the mean absolute error of a site's model is 2.2 Cel with"
        " federating and 3.55 Cel without (-1.3 ± 0.42 Cel), for the worst tenth (2 sites) 4 Cel"
        " and 8.5 Cel (-4.5 Cel); 18 of 20 sites are better off. All windows in one place would"
        " give 0.9 Cel."
    )
    (*_, last) = chart(found).data[0]["y"]
    assert (found.from_worst(found.local)[0], last) == (9.0, 3.0)
    assert compared([2.0] * 4, [3.0] * 4, ERROR).is_worth_it is False


@pytest.mark.parametrize(
    ("together", "expected", "word"),
    [
        ([0.80, 0.82, 0.81, 0.83], True, "Yes"),
        ([0.60, 0.62, 0.61, 0.63], False, "No"),
        ([0.95, 0.45, 0.90, 0.55], None, "Not clear"),
        ([0.70, 0.70, 0.70, 0.70], None, "Not clear"),
    ],
    ids=["better", "worse", "by-chance", "alike"],
)
def test_the_answer_is_by_the_mean_over_sites(
    together: list[float], expected: bool | None, word: str
) -> None:
    found = compared([0.70, 0.70, 0.70, 0.70], together)
    assert found.is_worth_it is expected
    assert found.answer.startswith(f"Was federating worth it? {word}: ")
    assert f"{sum(share > 0.7 for share in together)} of 4 sites are better off" in found.answer
    assert "All windows in one place would give 90.0%" in found.answer
