"""Which labels have rows, and where: a label without any is an output that nothing trains."""

from collections.abc import Iterator, Sequence

import numpy as np

from fl_common.vocabulary import Integers

_NAMED = 5


def coverage_notes(
    labels: Sequence[str], train_labels: Integers, test_labels: Integers
) -> Iterator[str]:
    """What is to be said of ``labels``, of which rows have those at these places."""
    trained_K = np.bincount(train_labels, minlength=len(labels)) > 0
    tested_K = np.bincount(test_labels, minlength=len(labels)) > 0
    found = [
        label for label, is_there in zip(labels, trained_K | tested_K, strict=True) if is_there
    ]
    if len(found) == 1:
        yield f"{found[0]} is the only label that a row has: nothing tells it from another"
    untrained = _listed(labels, tested_K & ~trained_K)
    if untrained:
        yield f"no row for training has {untrained}: such test rows are never named right"
    holes = _listed(labels, ~(trained_K | tested_K))
    if holes:
        yield f"no row has {holes}: the network has an output for each, which nothing trains"


def _listed(labels: Sequence[str], is_meant_K: np.ndarray) -> str:
    """``3 of 12 labels (a, b, c)``; empty where none is meant."""
    meant = [labels[place] for place in np.flatnonzero(is_meant_K).tolist()]
    more = ", ..." if len(meant) > _NAMED else ""
    return f"{len(meant)} of {len(labels)} labels ({', '.join(meant[:_NAMED])}{more})" * bool(meant)
