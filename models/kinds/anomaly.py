"""How odd a window is: learnt from normal windows, without labels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import inside, require
from fl_common.vocabulary import Doubles, Floats, Integers, KindSpec, Task
from models.kinds.protocol import STEPS, Measure, Pace, Truth, in_steps

if TYPE_CHECKING:
    import torch

ANOMALY = "anomaly"
UNKNOWN, NORMAL, ANOMALOUS = -1, 0, 1
"""What a window may be labelled with."""
WORDS: Mapping[int, tuple[str, ...]] = {
    ANOMALOUS: ("1", "true", "yes", "anomaly", "anomalous", "abnormal", "outlier"),
    NORMAL: ("0", "false", "no", "normal", "ok", "inlier"),
    UNKNOWN: ("-1", "unknown", ""),
}
"""What people write for each."""
_MARKS = {word: mark for mark, words in WORDS.items() for word in words}

LOWEST, HIGHEST = 1e-3, 10.0
"""Scores beyond these are not told apart when they are counted."""

_ERROR = Measure("score_error", "mean error of scores", False, "1")
_BINS = 4096
_QUANTILE = 0.95


def anomaly(quantile: float | None) -> KindSpec:
    """The specification of scores; ``quantile`` is the part of normal windows below the threshold.

    None: 0.95 of them.

    Raises:
        InvalidConfiguration: no such quantile.
    """
    if quantile is not None:
        require("task.quantile", quantile, inside("[0.5, 0.999]"))
    return KindSpec.of(ANOMALY, quantile=_QUANTILE if quantile is None else float(quantile))


def mark_of(word: str) -> int | None:
    """What a window is labelled with for a person's ``word``; None: it says nothing."""
    return _MARKS.get(word.casefold().strip())


def score_edges(bins: int) -> Doubles:
    """Edges (bins - 1,) that divide all scores into ``bins`` of equal ratio; the ends are open."""
    return np.geomspace(LOWEST, HIGHEST, bins - 1)


class Anomaly:
    """An anomaly score from a net that computes it in itself, such as a reconstruction's error.

    The net puts out two numbers, the window's score and its own threshold, which is the same for
    all windows. A score is at least 0, and 1 is that of a net that knows nothing. Its mean over
    normal windows is the loss; labels serve evaluation alone. Such a net can't shrink all scores:
    ``models.parts.scoring`` says why.

    The error of a score, cut to 0 to 1, is its distance from 0 for a normal window, and from 1 for
    an anomalous one: a mean that sites can tell under DP, as no curve can be.

    A window is labelled 1 where it is anomalous, 0 where it is normal, and -1 where nobody knows,
    which counts as normal.
    """

    truth, ahead = Truth.ODD, 0
    answer = "scored"
    columns = ("score", "threshold")
    outputs = 2
    span = 1.0
    score_steps = STEPS
    guess_loss = 1.0
    pace = Pace(0.05, 9.0, 0.05)
    guess = "giving each window the same score"
    loss_name = "Mean anomaly score"
    measures = (
        Measure("auroc", "AUROC", True),
        Measure("precision_at_k", "precision at k", True),
        _ERROR,
        Measure("found", "anomalies above the threshold", True),
        Measure("false_alarms", "normal windows above it", False),
    )
    on_sites = _ERROR

    def __init__(self, task: Task) -> None:
        options = dict(anomaly(**dict(task.kind.options)).options)
        self.quantile = float(options["quantile"])

    def guessed(self, truth_N: NDArray[Any]) -> NDArray[Any]:
        """Score and threshold of one."""
        return np.ones((len(truth_N), 2))

    def why_unfit(self, labels_N: NDArray[Any]) -> tuple[str, str] | None:
        """See ``TaskKind``."""
        if self.fits_N(labels_N).all():
            return None
        lowest, highest = np.min(labels_N), np.max(labels_N)
        return f"labels from {lowest} to {highest}", "must be 1 (anomalous), 0 (normal) or -1"

    def fits_N(self, labels_N: NDArray[Any]) -> NDArray[np.bool_]:
        """See ``TaskKind``."""
        return np.isin(labels_N, (UNKNOWN, NORMAL, ANOMALOUS))

    def alike(self, labels_N: NDArray[Any], among_M: NDArray[Any]) -> Integers:
        """One part: a label is no part of what is learnt."""
        return np.zeros(len(labels_N), np.int64)

    def targets(self, labels_N: NDArray[Any]) -> NDArray[np.int64]:
        """The labels (N,), which no loss reads."""
        return np.array(labels_N, dtype=np.int64)

    def drawn(self, count: int, generator: np.random.Generator) -> NDArray[Any]:
        """All normal, as what is trained on is."""
        return np.full(count, NORMAL, np.int64)

    def example_targets(self, count: int) -> NDArray[np.int64]:
        """See ``TaskKind``."""
        return np.zeros(count, np.int64)

    def losses(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """The score."""
        return outputs_ND[:, 0]

    def toward(self, outputs_ND: "torch.Tensor", targets_N: "torch.Tensor") -> "torch.Tensor":
        """One at the score, and zero at the threshold."""
        toward_ND = outputs_ND.new_zeros(outputs_ND.shape)
        toward_ND[:, 0] = 1.0
        return toward_ND

    def predicted(self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor") -> "torch.Tensor":
        """Score and threshold (N, 2)."""
        return outputs_ND

    def published(
        self, outputs_ND: "torch.Tensor", values_N: "torch.Tensor"
    ) -> Mapping[str, "torch.Tensor"]:
        """Score and threshold (N, 2), and the score alone (N, 1)."""
        return {"scored": outputs_ND, "score": outputs_ND[:, :1]}

    def chosen(self, answers_ND: Floats) -> Floats:
        """Score and threshold (N, 2)."""
        return answers_ND

    def told(self, answer_D: Sequence[float]) -> Mapping[str, Any]:
        """The score, the model's threshold, and whether the score is above it."""
        score, threshold = (float(f"{value:.6g}") for value in answer_D)
        is_above = bool(answer_D[0] > answer_D[1])
        return {"score": score, "threshold": threshold, "anomalous": is_above}

    def heard(self, event: Mapping[str, Any]) -> NDArray[Any]:
        """Score and threshold (1, 2)."""
        return np.array([[event["score"], event["threshold"]]], np.float64)

    def right(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> NDArray[np.bool_]:
        """Above the threshold where the window is anomalous, and not above it elsewhere."""
        above_N = predicted_N[:, 0] > predicted_N[:, 1]
        return np.asarray(above_N == (truth_N == ANOMALOUS))

    def words(self, answers_ND: Floats) -> tuple[str, ...]:
        """Whether each is above the threshold, in a word."""
        above_N = answers_ND[:, 0] > answers_ND[:, 1]
        return tuple("anomalous" if is_above else "normal" for is_above in above_N.tolist())

    def said(self, answer_D: Sequence[float]) -> str:
        """Whether it is above the threshold, and both."""
        told = self.told(answer_D)
        word = "anomalous" if told["anomalous"] else "normal"
        return f"{word}, with a score of {told['score']:g} beside {told['threshold']:g}"

    def label(self, answer_D: Sequence[float]) -> str:
        """Whether it is above the threshold, in a word."""
        return self.words(np.asarray([answer_D], dtype=np.float32))[0]

    def agree(self, one_N: NDArray[Any], other_N: NDArray[Any]) -> NDArray[np.bool_]:
        """The same side of each model's own threshold."""
        return np.asarray((one_N[:, 0] > one_N[:, 1]) == (other_N[:, 0] > other_N[:, 1]))

    def scores(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """1 less the error of the anomaly score."""
        return in_steps(1 - _errors(truth_N, predicted_N[:, 0]))

    def of_score(self, score: float) -> float:
        """The mean error of anomaly scores."""
        return 1 - score

    def sums(self, truth_N: NDArray[Any], predicted_N: NDArray[Any]) -> Doubles:
        """Of normal and of anomalous windows: a histogram of scores, those above, and errors."""
        score_N = predicted_N[:, 0].astype(np.float64)
        above_N, error_N = score_N > predicted_N[:, 1], _errors(truth_N, score_N)
        bin_N = np.searchsorted(score_edges(_BINS), np.nan_to_num(score_N, nan=np.inf))
        rows = []
        for own_N in (truth_N != ANOMALOUS, truth_N == ANOMALOUS):
            histogram_B = np.bincount(bin_N[own_N], minlength=_BINS).astype(np.float64)
            rows.append(np.append(histogram_B, [above_N[own_N].sum(), error_N[own_N].sum()]))
        return np.stack(rows)

    def measured(self, sums: NDArray[Any]) -> Mapping[str, float]:
        """From such sums: NaN where there is no normal window, or no anomalous one."""
        return measures_of(sums)


def measures_of(sums: Doubles) -> Mapping[str, float]:
    """The measures by name, of sums as ``Anomaly.sums`` makes them."""
    (normal_B, odd_B), (above, odd_above) = sums[:, :_BINS], sums[:, _BINS].tolist()
    normal, odd = float(normal_B.sum()), float(odd_B.sum())
    return {
        "auroc": area_under(normal_B, odd_B),
        "precision_at_k": _precision_at_k(normal_B, odd_B),
        "found": odd_above / odd if odd else float("nan"),
        "false_alarms": above / normal if normal else float("nan"),
        "score_error": float(sums[:, -1].sum()) / (normal + odd) if normal + odd else float("nan"),
    }


def _errors(truth_N: NDArray[Any], score_N: NDArray[Any]) -> Doubles:
    """See ``Anomaly``; 1 where the score is no number."""
    cut_N = score_N.astype(np.float64).clip(0.0, 1.0)
    error_N = np.where(truth_N == ANOMALOUS, 1 - cut_N, cut_N)
    return np.asarray(np.nan_to_num(error_N, nan=1.0))


def area_under(normal_B: Doubles, odd_B: Doubles) -> float:
    """AUROC by histograms: the share of pairs of which the anomalous one scores higher.

    Pairs in one bin are a half.
    """
    pairs = normal_B.sum() * odd_B.sum()
    below_B = np.cumsum(normal_B) - normal_B / 2
    return float((odd_B * below_B).sum() / pairs) if pairs else float("nan")


def _precision_at_k(normal_B: Doubles, odd_B: Doubles) -> float:
    """Of as many of the highest scores as there are anomalies, the share that are anomalies.

    Of a bin that is taken in part, each window is as likely to be among them.
    """
    wanted = float(odd_B.sum())
    if not wanted or not normal_B.sum():
        return float("nan")
    all_B = (normal_B + odd_B)[::-1]
    taken_B = np.minimum(all_B, (wanted - (np.cumsum(all_B) - all_B)).clip(0))
    shares_B = np.divide(odd_B[::-1], all_B, out=np.zeros_like(all_B), where=all_B > 0)
    return float((taken_B * shares_B).sum() / wanted)


def roc_curve(sums: Doubles) -> tuple[Doubles, Doubles]:
    """False alarms and anomalies found, as shares, for each threshold from high to low."""
    from_top = np.cumsum(sums[:, :_BINS][:, ::-1], axis=1)
    shares = from_top / np.maximum(from_top[:, -1:], 1)
    starts = np.zeros((2, 1))
    normal, odd = np.concatenate([starts, shares], axis=1)
    return normal, odd


def bins_of(sums: Doubles, bins: int) -> tuple[Doubles, Doubles]:
    """Edges (bins + 1,), and how many normal and anomalous windows (2, bins) lie between them."""
    edges = score_edges(_BINS)
    middle = np.sqrt(edges[:-1] * edges[1:])
    places = np.array([LOWEST, *middle, HIGHEST])
    wide = np.geomspace(LOWEST, HIGHEST, bins + 1)
    counts = [np.histogram(places, wide, weights=row[:_BINS])[0] for row in sums]
    return wide, np.stack(counts)
