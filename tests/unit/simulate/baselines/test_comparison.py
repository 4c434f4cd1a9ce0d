"""The answer: what counts as worth it, and for whom."""

from collections.abc import Sequence

import pytest

from simulate.baselines.comparison import CENTRALISED, LOCAL, Comparison, Way
from simulate.home import FEDERATED


def compared(alone: Sequence[float], together: Sequence[float]) -> Comparison:
    names = [f"site-{number}" for number in range(len(alone))]
    about = ("gait", "mlp", 3, 1, 0, "test windows", "none", None, names, 0, 0)
    return Comparison(
        *about,
        Way(LOCAL, alone, None, 10),
        Way(FEDERATED, together, None, 10),
        Way(CENTRALISED, [0.9] * len(alone), None, 10),
    )


def test_the_worst_tenth_is_each_ways_own_and_one_site_at_least() -> None:
    found = compared([0.5, 0.6, *[0.8] * 18], [*[0.9] * 18, 0.7, 0.7])
    assert found.local.worst_tenth == pytest.approx(0.55)
    assert found.worst_gain == pytest.approx(0.15)
    assert compared([0.5, 0.9], [0.6, 0.9]).worst_gain == pytest.approx(0.1)


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
