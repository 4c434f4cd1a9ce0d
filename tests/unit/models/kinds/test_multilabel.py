"""Several labels a window: sets as bits, loss and gradient, and measures as scikit-learn's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec
from models.kinds import kind_of
from models.kinds.multilabel import MOST_LABELS, bits_of, has_of, multilabel, of_labels
from models.tasks import declared
from tests.support import samples

TASK = replace(samples.TASK, labels=(), kind=multilabel(["hot", "loud", "wet", "never"]))
KIND = kind_of(TASK)


def drawn(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.choice(8, count), generator.choice(8, count)


def test_a_set_comes_back_from_its_bits_up_to_the_most_labels() -> None:
    has_NK = np.random.default_rng(0).random((20, MOST_LABELS)) < 0.5
    bits_N = bits_of(has_NK)
    assert bits_N.dtype == np.int64
    assert (bits_N >= 0).all()
    np.testing.assert_array_equal(has_of(bits_N, MOST_LABELS), has_NK)
    with pytest.raises(InvalidConfiguration, match="must be 1 to 62"):
        multilabel([str(place) for place in range(MOST_LABELS + 1)])


def test_toward_is_the_gradient_of_the_loss_and_has_a_norm_of_1_at_most() -> None:
    outputs_NK = torch.randn(40, 4, generator=torch.Generator().manual_seed(0)) * 20
    outputs_NK.requires_grad_()
    targets_NK = torch.from_numpy(KIND.targets(drawn(40)[0]))
    (expected,) = torch.autograd.grad(KIND.losses(outputs_NK, targets_NK).sum(), outputs_NK)
    toward_NK = KIND.toward(outputs_NK.detach(), targets_NK)
    torch.testing.assert_close(toward_NK, expected)
    assert 0.9 < float(toward_NK.norm(dim=1).max()) <= 1 + 1e-6


def test_measures_are_scikit_learn_s() -> None:
    truth_N, predicted_N = drawn()
    both = has_of(truth_N, 3), has_of(predicted_N, 3)  # no window has the fourth label
    found = KIND.measured(KIND.sums(truth_N, predicted_N))
    assert found["macro_f1"] == pytest.approx(f1_score(*both, average="macro"))
    assert found["micro_f1"] == pytest.approx(f1_score(*both, average="micro"))
    assert found["exact_match"] == pytest.approx(accuracy_score(*both))
    by_window = f1_score(*both, average="samples", zero_division=1.0)
    assert found["window_f1"] == pytest.approx(by_window)
    score = float(KIND.scores(truth_N, predicted_N).mean())
    assert KIND.of_score(score) == pytest.approx(found["window_f1"], abs=1 / 1024)
    by_label = f1_score(*both, average=None)
    measured = of_labels(TASK, KIND.sums(truth_N, predicted_N))
    assert [one["f1"] for one in measured.values()] == pytest.approx(by_label.tolist())
    assert [*measured] == ["hot", "loud", "wet"]


def test_sums_of_sites_give_the_measures_of_all_their_windows() -> None:
    truth_N, predicted_N = drawn()
    apart = KIND.sums(truth_N[:7], predicted_N[:7]) + KIND.sums(truth_N[7:], predicted_N[7:])
    assert KIND.measured(apart) == pytest.approx(KIND.measured(KIND.sums(truth_N, predicted_N)))


def test_answers_and_outputs_name_the_same_labels() -> None:
    outputs_NK = torch.tensor([[1.0, -1.0, 2.0, -9.0], [-1.0, -1.0, -1.0, -1.0]])
    answers_NK = KIND.published(outputs_NK, outputs_NK)["probabilities"].numpy()
    assert KIND.chosen(answers_NK).tolist() == [0b101, 0]
    assert KIND.predicted(outputs_NK, outputs_NK).tolist() == [0b101, 0]
    assert KIND.told(answers_NK[0].tolist())["labels"] == ["hot", "wet"]
    assert KIND.told(answers_NK[1].tolist())["labels"] == []


def test_sets_with_other_labels_do_not_fit() -> None:
    assert KIND.fits_N(np.array([-1, 0, 15, 16])).tolist() == [False, True, True, False]
    assert KIND.why_unfit(np.array([3])) is None
    assert KIND.why_unfit(np.array([16])) is not None


@pytest.mark.parametrize("labels", [[], ["a;b"], ["a", "a"], [""], [" a"]])
def test_labels_that_can_t_be_told_apart_are_refused(labels: list[str]) -> None:
    with pytest.raises(InvalidConfiguration, match=r"label"):
        multilabel(labels)


def test_a_declared_task_has_its_labels_in_its_kind() -> None:
    each = (["x"], ["1"], 50.0, [8, 1], ["hot", "loud"], [0.0], [1.0], 1)
    task = declared("oven", *each, kind="multilabel")
    assert (task.labels, kind_of(task).columns) == ((), ("hot", "loud"))
    assert KindSpec.from_fields(task.kind.to_fields()) == task.kind
