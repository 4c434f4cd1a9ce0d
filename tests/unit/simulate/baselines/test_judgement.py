"""What a model is worth to a site: on its own windows, or by its own mix of labels."""

from dataclasses import replace

import numpy as np
import pytest

from fl_common.vocabulary import KindSpec, Windows
from models.kinds import kind_of
from models.kinds.regression import regression
from models.nets import build_net, parameters_of, spec_of
from simulate.baselines.judgement import Judgement
from simulate.world import TestSet
from simulate.world.lazy import LazyWorld
from tests.support import samples

TASK = samples.TASK
"""Three labels; the net below names the first for every window."""


def windows(labels: list[int]) -> Windows:
    count = len(labels)
    values = np.zeros((count, *TASK.window_shape), np.float32)
    return Windows(values, np.array(labels), np.zeros(count, np.int64), ("all",))


def judged(groups: tuple[str, ...], group_of: list[int]) -> Judgement:
    own = [windows([0, 0, 0, 1]), windows([1, 2])]
    test = TestSet(windows([0, 0, 1, 2]), np.array(group_of), groups)
    world = LazyWorld(TASK, ("a", "b"), own.__getitem__, None, test)
    net = build_net(spec_of("models.nets.logistic.Logistic", {}), TASK)
    return Judgement(world, net, 100)


def accuracies(judgement: Judgement) -> list[float]:
    net = build_net(spec_of("models.nets.logistic.Logistic", {}), TASK)
    zero = {name: np.zeros_like(array) for name, array in parameters_of(net).items()}
    one_by_one = [judgement.of_one(index, zero) for index in judgement.judged]
    assert one_by_one == judgement.of_all(zero)
    return one_by_one


@pytest.mark.parametrize(
    ("groups", "group_of", "expected"),
    [
        (("a", "b"), [0, 1, 1, 1], [1.0, 1 / 3]),
        (("b", "other"), [0, 0, 0, 1], [2 / 3]),
        (("others",), [0, 0, 0, 0], [0.75, 0.0]),
    ],
    ids=["own-windows", "one-without", "by-the-mix-of-labels"],
)
def test_a_model_is_judged_for_each_site(
    groups: tuple[str, ...], group_of: list[int], expected: list[float]
) -> None:
    assert accuracies(judged(groups, group_of)) == pytest.approx(expected)


def of_numbers(own: list[list[float]], tested: list[float]) -> list[float]:
    """Errors of a net that says 5 for every window, where no group of the test is a site."""
    task = replace(TASK, labels=(), kind=regression(0.0, 10.0, "Cel", None))

    def windows_of(numbers: list[float]) -> Windows:
        return replace(windows([0] * len(numbers)), labels=np.array(numbers, np.float32))

    test = TestSet(windows_of(tested), np.zeros(len(tested), np.int64), ("others",))
    parts = [windows_of(numbers) for numbers in own]
    world = LazyWorld(task, ("a", "b"), parts.__getitem__, None, test)
    net = build_net(spec_of("models.nets.logistic.Logistic", {}), task)
    zero = {name: np.zeros_like(array) for name, array in parameters_of(net).items()}
    judgement = Judgement(world, net, 100)
    assert judgement.measure.name == "mae"
    assert judgement.words == "20 unseen windows, weighted by each site's own mix of numbers"
    return judgement.of_all(zero)


def test_numbers_are_mixed_by_the_tenths_that_a_site_has() -> None:
    """Errors are 5 for the lowest numbers, and 1 for the highest."""
    tested = [*[0.0] * 10, *[6.0] * 10]
    found = of_numbers([[0.0, 0.0, 0.0, 6.0], [6.0]], tested)
    assert found == pytest.approx([4.0, 1.0])


@pytest.mark.parametrize(
    ("kind", "labels", "among", "expected"),
    [
        (KindSpec(), [2, 0], [0, 1], [2, 0]),
        (KindSpec.of("anomaly", quantile=0.95), [1, 0, -1], [0], [0, 0, 0]),
        (KindSpec("sequence"), [[1] * 5 + [0] * 3], [[0] * 8], [1]),
        (KindSpec.of("multilabel", labels="a;b"), [3, 1, 0], [1, 1, 2], [1, 0, 2]),
    ],
    ids=["label", "anomaly", "readings", "labels"],
)
def test_windows_are_alike_by_what_their_kind_learns(
    kind: KindSpec, labels: list[object], among: list[object], expected: list[int]
) -> None:
    names = TASK.labels if kind.name in ("classification", "sequence") else ()
    found = kind_of(replace(TASK, kind=kind, labels=names)).alike(np.array(labels), np.array(among))
    assert found.tolist() == expected
