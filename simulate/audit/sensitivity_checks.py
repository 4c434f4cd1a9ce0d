"""Sensitivity: what one window more, or one replaced, moves, at the same noise.

With a seed the noise of a site's round is the same whatever its windows are, so that the difference
of two updates is what the windows differ in. Each step takes all windows, so that both have the
same batches but for that window.
"""

from dataclasses import replace

import numpy as np

from fl_common.vocabulary import Doubles, Windows
from simulate.audit.canaries import joined
from simulate.audit.checks import Check
from simulate.audit.probe import Examined, probing

_WINDOWS = 5
"""How many windows are put in, one at a time."""
_LEEWAY = 1.01
_QUIET = 1e-3
"""The noise cancels, so little of it leaves more of float32 to the difference."""


def check_sensitivity(examined: Examined, own: Windows, others: Windows) -> Check:
    """Put single windows of ``others`` beside some of a site's own, in and out."""
    seeded = replace(examined, plan=replace(examined.plan, seed=examined.plan.seed or 0))
    base = own.take(np.arange(min(len(own), _WINDOWS)))
    steps = examined.mechanism.steps
    length = steps * float(len(base) + 1)
    plan = seeded.changed(length, sampling_rate=1.0, noise_multiplier=_QUIET)

    def sums(windows: Windows) -> Doubles:
        with probing(seeded, plan, "probe-a", windows) as probe:
            return probe.sums(1)

    without = sums(base)
    moved = max(
        float(np.linalg.norm(sums(joined(base, others.take(np.array([row])))) - without)) / steps
        for row in range(min(_WINDOWS, len(others)))
    )
    is_right = 0.01 < moved <= _LEEWAY
    return Check("sensitivity: one window", f"adds {moved:.3f} clip norms",
                 f"at most {_LEEWAY:g}", is_right)  # fmt: skip
