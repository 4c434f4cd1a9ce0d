"""The mechanism examined directly: what runs, compared with what the plan says.

The bound from canaries can't see half the noise under most plans. Each check here reads one
property off what a site sends: the noise, the samples, clipping, and evaluation.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from fl_client.training import Trainer
from fl_common.plan import RunPlan
from fl_common.vocabulary import Windows
from simulate.audit.checks import Check
from simulate.audit.evaluation_checks import check_evaluation
from simulate.audit.noise_checks import check_noise
from simulate.audit.probe import Examined
from simulate.audit.sampling_checks import check_sampling
from simulate.audit.sensitivity_checks import check_sensitivity


def examine(
    plan: RunPlan,
    trainer: Trainer,
    own: Windows,
    standing_out: Windows,
    folder: Path,
    on_step: Callable[[str], None],
) -> tuple[Check, ...]:
    """All checks of ``plan`` in ``trainer``, on a site's ``own`` windows, and on others.

    Those ``standing_out`` should have long gradients, each of its own. No checks without a
    mechanism. Ledgers are written to ``folder``, and removed.

    Raises:
        RunFailed: a site refuses to answer.
    """
    if plan.privacy.sample_mechanism is None:
        return ()
    examined = Examined(plan, trainer, folder)
    try:
        on_step("noise")
        noise = check_noise(examined, own)
        on_step("samples")
        samples = check_sampling(examined, standing_out)
        on_step("sensitivity")
        sensitivity = check_sensitivity(examined, own, standing_out)
        on_step("evaluation")
        return (*noise, *samples, sensitivity, *check_evaluation(examined, own))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
