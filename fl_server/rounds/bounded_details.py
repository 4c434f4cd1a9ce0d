"""The details of one site's evaluation: cut to what its windows can give.

Its windows were cut before (``bounded_counts``). Shares are not compared with the other sites', as
those of a score are: sites may well have different labels. So a site can decide what is said of a
label that few others have.
"""

from collections.abc import Collection, Mapping

import numpy as np

from fl_common.vocabulary import Doubles, Evaluation
from fl_server.rounds.bounded_counts import NOISE_LIMIT, Counts
from models.kinds.details import Details, Estimate


def bounded_details(
    given: Mapping[int, Evaluation],
    kept: Mapping[int, Counts],
    details: Details | None,
    noise: float,
) -> dict[int, tuple[float, ...]]:
    """The details of each node: of what it has ``given``, but of the windows that are ``kept``.

    ``noise`` is the standard deviation of that on a site's windows. A site that sends other details
    than the task's, or none, as an earlier version does, has none.
    """
    told: dict[int, tuple[float, ...]] = dict.fromkeys(given, ())
    for node, one in given.items():
        if details is None or len(one.details) != len(details.weights_M):
            continue
        windows, claimed = kept[node].windows, one.total
        sums_M = np.array(one.details) * (windows / claimed if claimed else 1.0)
        slack_M = NOISE_LIMIT * noise / details.weights_M
        possible_M = details.possible(sums_M, max(windows + NOISE_LIMIT * noise, 0.0), slack_M)
        told[node] = tuple(possible_M.tolist())
    return told


def sum_details(
    details: Details, given: Collection[Evaluation], noise: float
) -> tuple[Estimate, Doubles, Doubles]:
    """Windows, sums (M,) of details and their variances, over the sites that have given them.

    ``noise`` is the standard deviation of that on a site's windows.
    """
    told = [one for one in given if one.details]
    sums_M = np.array([one.details for one in told]).reshape(-1, len(details.weights_M)).sum(0)
    blur = noise * float(np.sqrt(len(told)))
    windows = Estimate(sum(one.total for one in told), blur)
    return windows, np.asarray(sums_M, np.float64), (blur / details.weights_M) ** 2
