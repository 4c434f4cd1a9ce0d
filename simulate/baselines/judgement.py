"""What a model is worth to each site: its accuracy on the site's own unseen windows.

Where the test set is not divided by site (a rule made the sites, or the test is on other people),
it is the accuracy on all test windows, weighted by the site's own mix of labels.
"""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Integers, Parameters, Windows
from models.evaluation import Evaluator, Predictions
from models.nets import Net
from simulate.world import World


class Judgement:
    """Judges models of ``net`` for the sites of ``world``.

    ``most_windows``: so many test windows, the same for all models, stand for more where each site
    is judged on all of them.
    """

    def __init__(self, world: World, net: Net, most_windows: int) -> None:
        self._world, self._net = world, net
        test = world.test()
        place_of = {name: place for place, name in enumerate(test.groups)}
        self.is_own = any(name in place_of for name in world.sites)
        """Whether sites have test windows of their own."""
        self._test = test
        self._place_of = place_of if self.is_own else {}
        self._seen = _some(len(test.windows), most_windows)

    @property
    def words(self) -> str:
        """What a site's accuracy is measured on."""
        if self.is_own:
            return "each site's own windows that no model has seen"
        return f"{len(self._seen):,} unseen windows, weighted by each site's own mix of labels"

    @cached_property
    def judged(self) -> list[int]:
        """Positions of the sites that can be judged: the others have no test windows."""
        sites = self._world.sites
        if not self.is_own:
            return list(range(len(sites)))
        counts = np.bincount(self._test.group_of, minlength=len(self._test.groups))
        own = ((i, self._place_of.get(name)) for i, name in enumerate(sites))
        return [index for index, place in own if place is not None and counts[place]]

    def of_all(self, parameters: Parameters) -> list[float]:
        """The accuracy of one model at each site of ``judged``."""
        if not self.is_own:
            share_K = self._shares(self._on_all(parameters))
            return [self._mixed(index, share_K) for index in self.judged]
        right_N = _right(Evaluator(self._net, self._test.windows, self._world.task)(parameters))
        return [float(right_N[self._own(index)].mean()) for index in self.judged]

    def of_one(self, index: int, parameters: Parameters) -> float:
        """The accuracy at the site at position ``index``, which is ``judged``, of its own model."""
        if not self.is_own:
            return self._mixed(index, self._shares(self._on_all(parameters)))
        windows = self._test.windows.take(self._own(index))
        return float(_right(Evaluator(self._net, windows, self._world.task)(parameters)).mean())

    @cached_property
    def _on_all(self) -> Evaluator:
        return Evaluator(self._net, self._test.windows.take(self._seen), self._world.task)

    def _own(self, index: int) -> NDArray[np.bool_]:
        own_N: NDArray[np.bool_] = self._test.group_of == self._place_of[self._world.sites[index]]
        return own_N

    def _shares(self, predictions: Predictions) -> NDArray[np.float64]:
        """The accuracy in each class (K,); NaN for one without test windows."""
        truth_N, labels = predictions.truth_N, len(self._world.task.labels)
        total_K = np.bincount(truth_N, minlength=labels)
        right_K = np.bincount(truth_N, _right(predictions), minlength=labels)
        with np.errstate(invalid="ignore"):
            share_K: NDArray[np.float64] = right_K / total_K
        return share_K

    def _mixed(self, index: int, share_K: NDArray[np.float64]) -> float:
        """The mean over the site's training windows of the accuracy in their classes."""
        windows: Windows = self._world.windows(index)
        shares_N = share_K[windows.labels]
        return float(np.nanmean(shares_N)) if np.isfinite(shares_N).any() else float("nan")


def _some(count: int, most: int) -> Integers:
    """Places of at most so many windows, chosen at random, and by nothing else than their count."""
    chosen = np.random.default_rng(0).permutation(count)[:most]
    return np.sort(chosen).astype(np.int64)


def _right(predictions: Predictions) -> NDArray[np.bool_]:
    right_N: NDArray[np.bool_] = predictions.truth_N == predictions.predicted_N
    return right_N
