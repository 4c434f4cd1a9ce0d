"""What leaves of an evaluation under DP: three sums with Gaussian noise, rounded.

Noise is drawn once for each model that is evaluated, and is checked before anything leaves.
"""

import numpy as np
from numpy.typing import NDArray

from fl_client.training.randomness import derive_seed
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.noise import FreshDraws, check_standard_normal, system_normals
from fl_common.plan import Instruction, RunPlan
from fl_common.vocabulary import Evaluation

_DRAWS = FreshDraws()
_ROUNDING = 1 + 1e-9
_LOSS_STEPS = 1024
"""Released losses are whole multiples of the loss limit over this: the last bits of a float say
nothing then (Mironov 2012)."""


def protect_counts(exact: Evaluation, site: str, instruction: Instruction) -> Evaluation:
    """``exact`` with the noise of the evaluation plan; whole numbers of windows.

    Raises:
        PrivacyViolation: the plan has no noise for counts, counts that no windows can give, or
            noise that does not look like the plan's. Nothing may leave.
    """
    plan = instruction.plan.evaluation
    if plan is None:
        raise PrivacyViolation("this plan has no noise for counts. They are withheld.")
    limit = plan.loss_limit
    bounded = 0 <= exact.loss_sum <= limit * exact.total * _ROUNDING
    if not (0 <= exact.correct <= exact.total and bounded):
        raise PrivacyViolation(
            f"{exact} is not what windows with a loss of at most {limit:g} give. It is withheld."
        )
    noise_3 = _noise(instruction, site) * plan.noise_on_counts
    step = limit / _LOSS_STEPS
    return Evaluation(
        correct=float(np.rint(exact.correct + noise_3[0])),
        total=float(np.rint(exact.total + noise_3[1])),
        loss_sum=float(np.rint((exact.loss_sum + noise_3[2] * limit) / step) * step),
    )


def _noise(instruction: Instruction, site: str) -> NDArray[np.float64]:
    plan, round_ = instruction.plan, instruction.round
    model = params.digest(instruction.parameters)
    noise_3 = standard_normals(plan, site, round_, model)
    _DRAWS.check(noise_3, None if plan.seed is None else (plan.run, site, round_, model))
    check_standard_normal(float(noise_3 @ noise_3), noise_3.size)
    return noise_3


def standard_normals(plan: RunPlan, site: str, round_: int, model: str) -> NDArray[np.float64]:
    """Three: seeded in simulation, else the operating system's."""
    if plan.seed is None:
        return system_normals(3)
    seed = derive_seed(plan.seed, "evaluation", site, round_, model)
    return np.random.default_rng(seed).standard_normal(3)
