"""What a model is worth to a site: on its own windows, or by its own mix of labels."""

import numpy as np
import pytest

from fl_common.vocabulary import Windows
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
