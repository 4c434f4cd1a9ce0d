"""The site's half of a site-level plan: clip and noise a trained update so that it may leave.

The update is clipped as a whole, over all arrays together. If the sites add the noise, it is added
here, before anything leaves; if the server does, the bit for adaptive clipping is computed here.
The result is checked independently of the code that clipped it and drew the noise.
"""

from dataclasses import replace

import numpy as np

from fl_client.training.randomness import drawn_for, noise_source
from fl_common import params
from fl_common.errors import PrivacyViolation
from fl_common.plan import Instruction
from fl_common.privacy.draws import DRAWS
from fl_common.privacy.grid import GaussianGrid
from fl_common.privacy.noise import check_standard_normal
from fl_common.vocabulary import LocalUpdate, Parameters

_ROUNDING = 1 + 1e-5


def protect_update(update: LocalUpdate, instruction: Instruction) -> LocalUpdate:
    """``update`` clipped to the round's clip norm, and noised if each site adds the noise.

    The instruction must have a site-level plan, and the update must be finite.

    Raises:
        PrivacyViolation: clipping or noise did not run as planned; nothing may leave.
    """
    mechanism, bound = instruction.plan.privacy.update_mechanism, instruction.clip_norm
    if mechanism is None or bound is None:
        raise PrivacyViolation("no site-level plan with a clip norm. The update is withheld.")
    size = sum(array.size for array in update.delta.values())
    grid = GaussianGrid(bound, mechanism.noise_multiplier, size)
    clipped = params.clip(update.delta, grid.bound)
    _check_clipped(clipped, bound)
    if mechanism.noise == "server":
        within = params.norm(update.delta) <= bound
        bit = within if mechanism.adaptive_clipping else None
        return replace(update, delta=clipped, within_clip_norm=bit)
    noised = _noised(clipped, update.site, instruction, grid)
    _check_noised(noised, clipped, mechanism.noise_multiplier * bound)
    return replace(update, delta=noised, within_clip_norm=None)


def _check_clipped(clipped: Parameters, bound: float) -> None:
    length = params.norm(clipped)
    if not length <= bound * _ROUNDING:
        raise PrivacyViolation(
            f"the update has a norm of {length:.4g} above the clip norm {bound:.4g}: clipping did"
            " not run as planned. The update is withheld."
        )


def _noised(
    clipped: Parameters, site: str, instruction: Instruction, grid: GaussianGrid
) -> Parameters:
    """One draw over all arrays, in their order."""
    plan, round_ = instruction.plan, instruction.round
    sizes = [array.size for array in clipped.values()]
    noise_E = noise_source(plan, site, round_).standard_normal(sum(sizes)).numpy()
    DRAWS.check(noise_E, drawn_for(plan, site, round_))
    parts = np.split(noise_E, np.cumsum(sizes)[:-1])
    return {
        name: grid.noised(array, part_E.reshape(array.shape)).astype(np.float32)
        for (name, array), part_E in zip(clipped.items(), parts, strict=True)
    }


def _check_noised(noised: Parameters, clipped: Parameters, deviation: float) -> None:
    """Raise unless the released update differs from the clipped one by noise of the plan's size."""
    size = sum(array.size for array in clipped.values())
    length = params.norm(params.subtract(noised, clipped)) / deviation
    check_standard_normal(length**2, size)
