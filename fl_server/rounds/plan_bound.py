"""The largest norm that an honest update can have under a plan: what is longer does not count.

Under DP the plan fixes the steps, the clip norm and the noise. With ``sampling_rate`` q and clip
norm C, the sum of a step has a norm of at most C times the windows that were drawn, and noise of
``noise_multiplier * C`` on each of d numbers; both are divided by the expected batch. The number of
windows of a site is not public, so it may be ten times what the plan declares. The norm of d
standard normals is above ``sqrt(d) + 7`` with a probability below 3e-11 (Laurent and Massart 2000,
lemma 1). Without DP only an update that dwarfs the parameters is too long: it may not end a run.
"""

import math

from fl_common import params
from fl_common.plan import Instruction, TrainingPlan
from fl_common.privacy.mechanisms import SampleMechanism, UpdateMechanism

_GROWTH = 1e6
"""An update may be as many times as long as the parameters are."""
_WINDOWS = 10.0
_TAIL = 7.0
_ADAM_STEP = 8.0
"""No entry moves further in a step, in learning rates (Kingma and Ba 2015, section 2.1)."""
_MOST_GROWTH = 100.0


def largest_norm(instruction: Instruction) -> float:
    """The bound for an answer to ``instruction``, whose update has the shapes of its parameters."""
    plan, length = instruction.plan, params.norm(instruction.parameters)
    size = sum(array.size for array in instruction.parameters.values())
    bound = _GROWTH * (1 + length)
    samples, updates = plan.privacy.sample_mechanism, plan.privacy.update_mechanism
    if samples is not None:
        rate = plan.learning_rate(instruction.round)
        bound = min(bound, _trained(plan.training, samples, rate, size, length))
    elif updates is not None and instruction.clip_norm is not None:
        bound = min(bound, _noised(updates, instruction.clip_norm, size))
    if plan.compression is None:
        return bound
    share = plan.compression.share
    rounding, rest = math.sqrt(size) / 127, 2 * math.sqrt(1 - share) / share
    return bound * (1 + rounding) * (1 + rest)


def _trained(
    training: TrainingPlan, mechanism: SampleMechanism, rate: float, size: int, length: float
) -> float:
    """Of ``mechanism.steps`` steps of DP-SGD, from parameters of norm ``length``."""
    steps, clip_norm = mechanism.steps, mechanism.clip_norm
    if training.optimizer == "adam":
        return _ADAM_STEP * rate * steps * math.sqrt(size)
    reach = rate / (1 - training.momentum)
    deviation = mechanism.noise_multiplier * clip_norm / mechanism.expected_batch
    noise = math.sqrt(steps) * deviation * (math.sqrt(size) + _TAIL)
    signal = steps * (_WINDOWS * clip_norm + training.weight_decay * length)
    pull = reach * steps * (training.weight_decay + training.proximal_mu)
    return reach * (signal + noise) * math.exp(min(pull, _MOST_GROWTH))


def _noised(mechanism: UpdateMechanism, clip_norm: float, size: int) -> float:
    """Of a whole update that is clipped, with a site's own noise if it adds any."""
    if mechanism.noise == "server":
        return math.inf
    return clip_norm * (1 + mechanism.noise_multiplier * (math.sqrt(size) + _TAIL))
