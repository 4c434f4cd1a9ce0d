"""Anomaly: its measures are those of others' definitions, and its sums may be added."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats, Integers, KindSpec
from models.kinds import declared, kind_of
from models.kinds.anomaly import anomaly, bins_of, roc_curve
from models.nets import build_net, spec_of
from tests.support import samples

TASK = replace(samples.TASK, labels=(), kind=anomaly(None))
KIND = kind_of(TASK)


def drawn(count: int = 400) -> tuple[Integers, Floats]:
    """Labels, and scores with a threshold of 0.6."""
    generator = np.random.default_rng(0)
    truth_N = (generator.random(count) < 0.2).astype(np.int64)
    score_N = np.exp(generator.normal(-1, 0.5, count) + 0.8 * truth_N)
    return truth_N, np.stack([score_N, np.full(count, 0.6)], 1).astype(np.float32)


def test_measures_are_those_of_scikit_learn_and_of_their_definitions() -> None:
    truth_N, predicted_N2 = drawn()
    found, score_N = KIND.measured(KIND.sums(truth_N, predicted_N2)), predicted_N2[:, 0]
    assert found["auroc"] == pytest.approx(roc_auc_score(truth_N, score_N), abs=1e-3)
    odd = int(truth_N.sum())
    highest = np.argsort(-score_N)[:odd]
    assert found["precision_at_k"] == pytest.approx(truth_N[highest].mean(), abs=0.02)
    above_N = score_N > np.float32(0.6)
    assert found["found"] == above_N[truth_N == 1].mean()
    assert found["false_alarms"] == pytest.approx(above_N[truth_N == 0].mean())
    error_N = np.abs(truth_N - score_N.clip(0, 1))
    assert found["score_error"] == pytest.approx(error_N.mean(), rel=1e-6)
    assert KIND.of_score(KIND.scores(truth_N, predicted_N2).mean()) == pytest.approx(
        found["score_error"], abs=1e-3
    )


def test_sums_of_sites_give_the_measures_of_all_their_windows() -> None:
    truth_N, predicted_N2 = drawn()
    apart = KIND.sums(truth_N[:70], predicted_N2[:70]) + KIND.sums(truth_N[70:], predicted_N2[70:])
    whole = KIND.sums(truth_N, predicted_N2)
    assert KIND.measured(apart) == pytest.approx(KIND.measured(whole))
    _, counts = bins_of(whole, 50)
    assert counts.sum(axis=1).tolist() == [(truth_N == 0).sum(), (truth_N == 1).sum()]
    alarms, caught = roc_curve(whole)
    assert (alarms[0], caught[0], alarms[-1], caught[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(caught, alarms) == pytest.approx(KIND.measured(whole)["auroc"])


def test_equal_scores_are_a_guess_and_no_anomaly_leaves_its_measures_unknown() -> None:
    truth_N, predicted_N2 = drawn()
    alike_N2 = np.full_like(predicted_N2, 0.5)
    found = KIND.measured(KIND.sums(truth_N, alike_N2))
    assert found["auroc"] == pytest.approx(0.5)
    assert found["precision_at_k"] == pytest.approx(truth_N.mean())
    found = KIND.measured(KIND.sums(np.full(400, -1), predicted_N2))
    assert np.isnan([found["auroc"], found["precision_at_k"], found["found"]]).all()
    assert 0 < found["false_alarms"] < 1


def test_the_loss_is_the_score_whatever_the_label_and_the_threshold() -> None:
    outputs_N2 = torch.rand(6, 2).requires_grad_()
    for label in (-1, 0, 1):
        targets_N = torch.from_numpy(KIND.targets(np.full(6, label)))
        losses_N = KIND.losses(outputs_N2, targets_N)
        assert torch.equal(losses_N, outputs_N2[:, 0])
        (expected,) = torch.autograd.grad(losses_N.sum(), outputs_N2)
        torch.testing.assert_close(KIND.toward(outputs_N2.detach(), targets_N), expected)


def test_two_models_agree_on_the_same_side_of_each_ones_own_threshold() -> None:
    one, other = np.array([[0.5, 0.6], [0.7, 0.6]]), np.array([[0.5, 0.4], [0.7, 0.4]])
    assert KIND.agree(one, other).tolist() == [False, True]
    assert KIND.told([0.7, 0.6]) == {"score": 0.7, "threshold": 0.6, "anomalous": True}


def test_a_site_s_score_is_of_zero_to_one_in_whole_steps_whatever_is_answered() -> None:
    answers_N2 = np.array([[np.nan, 1], [np.inf, 1], [0.25, 1], [3.0, 1], [np.nan, 1], [0.25, 1]])
    scores_N = KIND.scores(np.array([0, 0, 0, -1, 1, 1]), answers_N2)
    assert scores_N.tolist() == [0.0, 0.0, 0.75, 0.0, 0.0, 0.25]
    assert KIND.of_score(0.75) == 0.25


@pytest.mark.parametrize("quantile", [0.4, 1.0, float("nan"), "0.9"])
def test_what_is_no_quantile_is_refused(quantile: float) -> None:
    with pytest.raises(InvalidConfiguration):
        anomaly(quantile)


def test_what_is_for_numbers_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match=r"task\.range=\[0, 1\].*task\.kind is anomaly"):
        declared("anomaly", range=[0, 1])


@pytest.mark.parametrize("options", [{}, {"quantile": 0.9, "more": 1}, {"quantile": "x"}], ids=str)
def test_a_kind_of_others_with_odd_options_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InvalidConfiguration):
        kind_of(replace(TASK, kind=KindSpec.of("anomaly", **options)))


def test_labels_are_normal_anomalous_or_unknown() -> None:
    assert KIND.fits_N(np.array([-1, 0, 1, 2])).tolist() == [True, True, True, False]
    assert KIND.why_unfit(np.array([0, 2])) is not None


def test_a_net_of_logits_takes_no_scores_and_one_of_scores_no_labels() -> None:
    logits = spec_of("models.nets.logistic.Logistic", {})
    with pytest.raises(InvalidConfiguration, match="net=autoencoder"):
        build_net(logits, TASK)
    scores = spec_of("models.nets.autoencoder.Autoencoder", {"hidden": [4], "gain": 1.0})
    with pytest.raises(InvalidConfiguration, match=r"task\.kind=classification"):
        build_net(scores, samples.TASK)


@pytest.mark.parametrize("name", ["autoencoder", "one_class"])
def test_a_network_that_ignores_its_input_has_the_score_one(name: str) -> None:
    options = {"hidden": [4]} | ({"dimensions": 3} if name == "one_class" else {"gain": 1.0})
    target = {"autoencoder": "Autoencoder", "one_class": "OneClass"}[name]
    net = build_net(spec_of(f"models.nets.{name}.{target}", options), TASK)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        outputs_N2 = net(torch.randn(5, *TASK.window_shape))
    torch.testing.assert_close(outputs_N2[:, 0], torch.ones(5), rtol=1e-2, atol=1e-2)
