"""A label for each reading: losses of single windows, measures of scikit-learn, runs in events."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import KindSpec
from models.kinds import declared, kind_of
from models.nets import make_net
from models.nets.labeller import Labeller
from models.testing import check_net
from tests.support import samples

TASK = replace(samples.TASK, kind=declared("sequence"))
KIND = kind_of(TASK)


def drawn(count: int = 30) -> tuple[np.ndarray, torch.Tensor]:
    labels_N = np.random.default_rng(0).integers(0, 3, (count, 8))
    return labels_N, torch.randn(count, 24, generator=torch.Generator().manual_seed(0))


def test_toward_is_the_gradient_of_the_loss() -> None:
    labels_N, outputs_ND = drawn()
    targets_N = torch.from_numpy(KIND.targets(labels_N))
    outputs_ND.requires_grad_()
    losses_N = KIND.losses(outputs_ND, targets_N)
    (expected,) = torch.autograd.grad(losses_N.sum(), outputs_ND)
    torch.testing.assert_close(KIND.toward(outputs_ND.detach(), targets_N), expected)
    flat = outputs_ND.detach().reshape(-1, 3), targets_N.flatten()
    assert float(losses_N.detach().mean()) == pytest.approx(
        float(torch.nn.functional.cross_entropy(*flat))
    )


def test_measures_are_those_of_scikit_learn_by_readings() -> None:
    labels_N, outputs_ND = drawn()
    named_N = KIND.predicted(outputs_ND, outputs_ND).numpy()
    sums = KIND.sums(labels_N[:7], named_N[:7]) + KIND.sums(labels_N[7:], named_N[7:])
    both = labels_N.ravel(), named_N.ravel()
    expected = {
        "accuracy": accuracy_score(*both),
        "balanced_accuracy": balanced_accuracy_score(*both),
        "macro_f1": f1_score(*both, average="macro"),
    }
    assert KIND.measured(sums) == pytest.approx(expected)
    scores_N = KIND.scores(labels_N, named_N)
    assert KIND.of_score(float(scores_N.mean())) == pytest.approx(expected["accuracy"])
    steps_N = scores_N * KIND.score_steps
    np.testing.assert_allclose(steps_N, np.rint(steps_N), atol=1e-9)


def test_the_published_answer_gives_the_same_labels() -> None:
    _, outputs_ND = drawn()
    answers_ND = KIND.published(outputs_ND, outputs_ND)["probabilities"].numpy()
    np.testing.assert_allclose(answers_ND.reshape(-1, 8, 3).sum(2), 1.0, rtol=1e-6)
    expected_N = KIND.predicted(outputs_ND, outputs_ND).numpy()
    np.testing.assert_array_equal(KIND.chosen(answers_ND), expected_N)


def test_an_event_has_the_runs_of_labels_with_their_times() -> None:
    answer_TK = np.full((8, 3), 0.1)
    answer_TK[:3, 0], answer_TK[3:7, 2], answer_TK[7:, 0] = 0.8, 0.8, 0.8
    assert KIND.told(answer_TK.ravel().tolist()) == {
        "runs": [
            {"label": "still", "from_s": 0.0, "to_s": 0.06, "probability": 0.8},
            {"label": "falling", "from_s": 0.06, "to_s": 0.14, "probability": 0.8},
            {"label": "still", "from_s": 0.14, "to_s": 0.16, "probability": 0.8},
        ]
    }
    without = kind_of(replace(TASK, rate_hz=None)).told(answer_TK.ravel().tolist())
    assert (without["runs"][1]["from_reading"], without["runs"][1]["to_reading"]) == (3, 7)


def test_answers_agree_if_nine_of_ten_readings_do() -> None:
    kind = kind_of(replace(TASK, window_shape=(20, 2)))
    one_N = np.zeros((2, 20), np.int64)
    other_N = one_N.copy()
    other_N[0, :2], other_N[1, :3] = 1, 1
    assert kind.agree(one_N, other_N).tolist() == [True, False]


def test_labels_that_are_not_of_the_task_or_not_of_readings_do_not_fit() -> None:
    labels_N, _ = drawn(3)
    labels_N[1, 4] = 3
    assert KIND.fits_N(labels_N).tolist() == [True, False, True]
    assert KIND.why_unfit(labels_N) is not None
    assert not KIND.fits_N(np.array([0, 1])).any()
    assert KIND.why_unfit(np.array([0, 1])) is not None
    assert KIND.targets(np.empty(0, np.int64)).shape == (0, 8)


@pytest.mark.parametrize("hidden", [[], [4]])
def test_its_net_can_be_trained_with_dp_and_exported(hidden: list[int]) -> None:
    check_net(Labeller, replace(TASK, window_shape=(30, 2)), hidden=hidden)


def test_what_has_no_readings_or_another_kind_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="needs readings over time"):
        kind_of(replace(TASK, window_shape=(2,)))
    with pytest.raises(InvalidConfiguration, match="has not the values"):
        kind_of(replace(TASK, kind=KindSpec.of("sequence", horizon=3)))
    with pytest.raises(InvalidConfiguration, match=r"task\.kind=classification"):
        make_net(Labeller, {"hidden": []}, samples.TASK)


def test_predictions_count_by_the_label_that_most_readings_have() -> None:
    answers_NTK = np.full((2, 8, 3), 0.1, np.float32)
    answers_NTK[0, :5, 1], answers_NTK[0, 5:, 2], answers_NTK[1, :, 0] = 0.8, 0.8, 0.8
    assert KIND.words(answers_NTK.reshape(2, -1)) == ("moving", "still")
