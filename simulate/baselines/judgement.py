"""What a model is worth to each site: the task's measure on the site's own unseen windows.

Where the test set is not divided by site (a rule made the sites, or the test is on other people),
it is the measure on all test windows, weighted by the site's own mix of what is learnt.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import InvalidData
from fl_common.vocabulary import Doubles, Integers, Parameters
from models.evaluation import Evaluator, Predictions
from models.kinds import REGRESSION, Measure, kind_of
from models.nets import Net, parameters_of
from simulate.report.wording import counted
from simulate.world import World

_MOST_UNTOLD = 0.5
"""Of the sites that have windows to judge on: where a measure tells of fewer, the next decides."""


class Judgement:
    """Judges models of ``net`` for the sites of ``world``.

    ``measure`` decides: the kind's first, unless the windows of most sites tell nothing of it, as
    those without an anomaly tell no AUROC; then the next one.

    ``most_windows``: so many test windows, the same for all models, stand for more where each site
    is judged on all of them.

    Raises:
        InvalidData: the test windows tell no measure.
    """

    def __init__(self, world: World, net: Net, most_windows: int) -> None:
        self._world, self._net, self._kind = world, net, kind_of(world.task)
        self._test = test = world.test()
        place_of = {name: place for place, name in enumerate(test.groups)}
        self.is_own = any(name in place_of for name in world.sites)
        """Whether sites have test windows of their own."""
        self._place_of = place_of if self.is_own else {}
        self._seen = _some(len(test.windows), most_windows)
        self._untold = list[str]()
        self.measure, self.judged = self._chosen()

    @property
    def words(self) -> str:
        """What a site's figure is measured on."""
        if self.is_own:
            return "each site's own windows that no model has seen"
        unseen = f"{len(self._seen):,} unseen windows"
        if len(self._parts) == 1:
            return f"{unseen}, the same for each site"
        mix = "numbers" if self._world.task.kind.name == REGRESSION else "labels"
        return f"{unseen}, weighted by each site's own mix of {mix}"

    @property
    def left_out(self) -> int:
        """Sites that are not ``judged``."""
        return len(self._world.sites) - len(self.judged)

    @property
    def notes(self) -> list[str]:
        """Which measures don't decide, and which sites are left out."""
        if not self.left_out:
            return self._untold
        reason = f"without unseen windows that tell the {self.measure.title}"
        return [*self._untold, f"{counted(self.left_out, 'site')} left out: {reason}"]

    def of_all(self, parameters: Parameters) -> list[float]:
        """The measure of one model at each site of ``judged``."""
        measured = self._measured(self._places(), parameters)
        return [measured[index][self.measure.name] for index in self.judged]

    def of_one(self, index: int, parameters: Parameters) -> float:
        """The measure at the site at position ``index``, which is ``judged``, of its own model."""
        if not self.is_own:
            return self._measured([index], parameters)[index][self.measure.name]
        windows = self._test.windows.take(self._own(index))
        predictions = Evaluator(self._net, windows, self._world.task)(parameters)
        return float(predictions.measures[self.measure.name])

    def _chosen(self) -> tuple[Measure, list[int]]:
        """The measure that decides, and the sites that it can be told for."""
        measured = self._measured(self._places(), parameters_of(self._net))
        for measure in self._kind.measures:
            told = [i for i, values in measured.items() if np.isfinite(values[measure.name])]
            if told and len(told) >= _MOST_UNTOLD * len(measured):
                return measure, told
            untold = counted(len(measured) - len(told), "site")
            self._untold.append(f"{measure.title}: not told by the unseen windows of {untold}")
        raise InvalidData(
            f"test windows of {counted(len(measured), 'site')}",
            f"must tell one of {', '.join(m.title for m in self._kind.measures)}",
            "Hold out windows of the sites, of all that is learnt",
        )

    def _places(self) -> list[int]:
        """Positions of the sites with windows to judge on."""
        sites = self._world.sites
        if not self.is_own:
            return list(range(len(sites)))
        counts = np.bincount(self._test.group_of, minlength=len(self._test.groups))
        own = ((i, self._place_of.get(name)) for i, name in enumerate(sites))
        return [index for index, place in own if place is not None and counts[place]]

    def _measured(
        self, places: list[int], parameters: Parameters
    ) -> Mapping[int, Mapping[str, float]]:
        """All measures of one model at the sites at ``places``."""
        if self.is_own:
            predictions = Evaluator(self._net, self._test.windows, self._world.task)(parameters)
            sums_of = {place: self._sums(predictions, self._own(place)) for place in places}
        else:
            sums_P = self._sums_of_parts(self._on_seen(parameters))
            sums_of = {place: self._mixed(place, sums_P) for place in places}
        return {place: self._kind.measured(sums) for place, sums in sums_of.items()}

    def _sums(self, predictions: Predictions, chosen_N: NDArray[np.bool_]) -> NDArray[Any]:
        return self._kind.sums(predictions.truth_N[chosen_N], predictions.predicted_N[chosen_N])

    @cached_property
    def _on_seen(self) -> Evaluator:
        return Evaluator(self._net, self._test.windows.take(self._seen), self._world.task)

    def _own(self, index: int) -> NDArray[np.bool_]:
        own_N: NDArray[np.bool_] = self._test.group_of == self._place_of[self._world.sites[index]]
        return own_N

    @cached_property
    def _part_of(self) -> Integers:
        """Which windows of those seen are alike (N,)."""
        return self._kind.alike(self._seen_labels, self._seen_labels)

    @cached_property
    def _parts(self) -> Integers:
        return np.unique(self._part_of)

    @property
    def _seen_labels(self) -> NDArray[Any]:
        return self._test.windows.labels[self._seen]

    def _sums_of_parts(self, predictions: Predictions) -> Doubles:
        """Means over the windows of each part, (P, ...), from which sums of any mix follow."""
        each = []
        for part in self._parts:
            chosen_N = self._part_of == part
            each.append(self._sums(predictions, chosen_N) / chosen_N.sum())
        return np.stack(each)

    def _mixed(self, index: int, sums_P: Doubles) -> Doubles:
        """The sums of test windows in the site's own mix; parts without such are in none."""
        own_M = self._kind.alike(self._world.windows(index).labels, self._seen_labels)
        windows_P = (own_M[:, None] == self._parts).sum(0)
        return np.asarray(np.tensordot(windows_P, sums_P, axes=1), np.float64)


def _some(count: int, most: int) -> Integers:
    """Places of at most so many windows, chosen at random, and by nothing else than their count."""
    chosen = np.random.default_rng(0).permutation(count)[:most]
    return np.sort(chosen).astype(np.int64)
