"""The released counts of an evaluation or a shadow under DP: sums with Gaussian noise, rounded.

Noise is drawn once for each release, and checked before anything leaves.
"""

import numpy as np
from numpy.typing import NDArray

from fl_client.training.randomness import derive_seed
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.draws import DRAWS
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.noise import check_standard_normal, system_normals
from fl_common.vocabulary import Doubles, Evaluation, ShadowCounts
from models.kinds import kind_of
from models.kinds.details import details_of

_ROUNDING = 1 + 1e-9
LOSS_STEPS = 1024
"""Each window's loss is a whole multiple of the loss limit over this, and so is what is released:
the last bits of a float say nothing then (Mironov 2012)."""


def protect_counts(exact: Evaluation, site: str, instruction: Instruction) -> Evaluation:
    """``exact`` with the noise of the evaluation plan; whole numbers of windows and of score steps.

    Raises:
        PrivacyViolation: the plan has no noise for counts, no windows can have these counts, or the
            noise does not look like the plan's. Nothing may leave.
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
    exact_S, scale_S, steps_S = _sums(exact, instruction, plan)
    model = params.digest(instruction.parameters)
    noise_S = _noise(instruction, site, model, len(exact_S)) * plan.noise_on_counts
    # Whole numbers of steps before the noise, and whole noise: see ``fl_common.privacy.grid``.
    whole_S = np.rint(exact_S / steps_S) + np.rint(noise_S * scale_S / steps_S)
    right, total, loss, *more = (whole_S * steps_S).tolist()
    return Evaluation(right, total, loss, tuple(more))


def _sums(exact: Evaluation, instruction: Instruction, plan: EvaluationPlan) -> Doubles:
    """The sums to release, the noise of each in counts, and its steps: (3, S).

    Of no windows, the details that the plan asks for are zeros.
    """
    task, limit = instruction.plan.task, plan.loss_limit
    sums = [
        (exact.correct, 1.0, 1.0 / kind_of(task).score_steps),
        (exact.total, 1.0, 1.0),
        (exact.loss_sum, limit, limit / LOSS_STEPS),
    ]
    details = details_of(task) if plan.details else None
    weights_M = details.weights_M if details else np.empty(0)
    more_M = exact.details or (0.0,) * len(weights_M)
    if len(more_M) != len(weights_M) or not all(abs(one) <= exact.total for one in more_M):
        raise PrivacyViolation(f"{exact} has details that no windows give. It is withheld.")
    if details:
        each = zip(more_M, weights_M, strict=True)
        sums += [(value, 1.0 / weight, 1.0 / details.steps) for value, weight in each]
    return np.array(sums, dtype=np.float64).T


def protect_shadow(exact: ShadowCounts, site: str, instruction: Instruction) -> ShadowCounts:
    """``exact`` with the noise of the evaluation plan; whole numbers of windows.

    One window moves the number of windows by 1, and the agreed or the failed by 1: less than
    ``SENSITIVITY`` in L2 norm, the price of an evaluation.

    Raises:
        PrivacyViolation: as ``protect_counts``.
    """
    plan = instruction.plan.evaluation
    if plan is None:
        raise PrivacyViolation("this plan has no noise for counts. They are withheld.")
    sums_3 = np.array([exact.windows, exact.agreed, exact.failed])
    if not (sums_3.min() >= 0 and exact.agreed + exact.failed <= exact.windows):
        raise PrivacyViolation(f"{exact} is not what windows can give. It is withheld.")
    noise_3 = _noise(instruction, site, f"shadow of {instruction.candidate}", 3)
    return ShadowCounts(*map(float, np.rint(sums_3) + np.rint(noise_3 * plan.noise_on_counts)))


def _noise(instruction: Instruction, site: str, what: str, size: int) -> NDArray[np.float64]:
    plan, round_ = instruction.plan, instruction.round
    noise_S = standard_normals(plan, site, round_, what, size)
    seeded = plan.seed is not None
    DRAWS.check(noise_S, ("counts", plan.seed, site, round_, what) if seeded else None)
    check_standard_normal(float(noise_S @ noise_S), noise_S.size)
    return noise_S


def standard_normals(
    plan: RunPlan, site: str, round_: int, what: str, size: int
) -> NDArray[np.float64]:
    """As many as ``size``: seeded in simulation, else the operating system's."""
    if plan.seed is None:
        return system_normals(size)
    seed = derive_seed(plan.seed, "evaluation", site, round_, what)
    return np.random.default_rng(seed).standard_normal(size)
