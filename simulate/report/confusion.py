"""Which labels are taken for which: counts of the pairs that occur, since most never do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fl_common.vocabulary import Integers


@dataclass(frozen=True)
class Confusion:
    """``count_M`` windows of label ``truth_M`` were named ``named_M``: each pair once, of K labels.

    There are no more pairs than test windows, where a matrix has K * K cells.
    """

    labels: int
    truth_M: Integers
    named_M: Integers
    count_M: Integers

    @property
    def total_K(self) -> Integers:
        """Windows of each label."""
        return self._sum(self.truth_M, self.count_M)

    @property
    def right_K(self) -> Integers:
        """Windows of each label that were named so."""
        return self._sum(self.truth_M, self.count_M * (self.truth_M == self.named_M))

    def matrix(self, chosen: Sequence[int]) -> Integers:
        """Counts (k, k) among the ``chosen`` labels: rows are the truth, columns what was named."""
        place_K = np.full(self.labels, -1)
        place_K[list(chosen)] = np.arange(len(chosen))
        rows_M, columns_M = place_K[self.truth_M], place_K[self.named_M]
        is_in_M = (rows_M >= 0) & (columns_M >= 0)
        matrix = np.zeros((len(chosen), len(chosen)), np.int64)
        matrix[rows_M[is_in_M], columns_M[is_in_M]] = self.count_M[is_in_M]
        return matrix

    def most_confused(self, most: int) -> list[int]:
        """At most so many labels in order: those of the most frequent confusions."""
        if self.labels <= most:
            return list(range(self.labels))
        found: dict[int, None] = {}
        for truth, named, _ in self.mistakes():
            if len({*found, truth, named}) > most:
                break
            found |= {truth: None, named: None}
        return sorted(found)

    def mistakes(self) -> list[tuple[int, int, int]]:
        """Pairs of another label than the truth, and their counts, the most frequent first."""
        is_wrong_M = self.truth_M != self.named_M
        truth_M, named_M, count_M = (
            column[is_wrong_M] for column in (self.truth_M, self.named_M, self.count_M)
        )
        order_M = np.argsort(-count_M, kind="stable")
        pairs = np.stack([truth_M, named_M, count_M], axis=1)[order_M]
        return [(int(truth), int(named), int(count)) for truth, named, count in pairs]

    def _sum(self, label_M: Integers, weight_M: NDArray[np.int64]) -> Integers:
        counts_K = np.zeros(self.labels, np.int64)
        np.add.at(counts_K, label_M, weight_M)
        return counts_K


def confusion_of(truth_N: Integers, named_N: Integers, labels: int) -> Confusion:
    """The pairs of windows' labels, which are below ``labels``, and of what each was named."""
    cells, counts = np.unique(truth_N.astype(np.int64) * labels + named_N, return_counts=True)
    return Confusion(labels, cells // labels, cells % labels, counts)
