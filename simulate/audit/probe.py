"""A site under examination: its real path from windows to what leaves, asked again and again.

Participation, trainer, ledger and release are the real ones; windows, parameters and plan are
chosen so that the mechanism can be read off the answers. A step is kept so small that gradients
stay what they are at the start, so an update is the sum of its steps.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from fl_client.ledger.ledger import Ledger
from fl_client.site.participation import Participation, Site, any_plan
from fl_client.training import Trainer
from fl_common.errors import RunFailed
from fl_common.plan import Instruction, RunPlan
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.vocabulary import Doubles, Evaluation, LocalUpdate, Parameters, Refusal, Windows
from models.nets import build_net, parameters_of
from simulate.audit.gradients import WindowGradients, clipped

_MOVE = 3e-4
"""How far one round moves the parameters, in L2 norm."""
_NO_LIMIT = 1e12


@dataclass(frozen=True)
class Examined:
    """What is examined: a plan's mechanism in a trainer; ledgers lie in ``folder``."""

    plan: RunPlan
    trainer: Trainer
    folder: Path

    @property
    def mechanism(self) -> SampleMechanism:
        """What the plan says that each step does."""
        mechanism = self.plan.privacy.sample_mechanism
        assert mechanism is not None
        return mechanism

    def changed(self, lengths: float, **mechanism: float) -> RunPlan:
        """The plan with another sampling or noise; its sum in a round has about this L2 norm.

        ``lengths`` is in clip norms. Steps are plain ones of gradient descent.
        """
        privacy = replace(
            self.plan.privacy, **mechanism, unit="window", accountant="rdp", delta=1e-12,
            epsilon_limit=_NO_LIMIT,
        )  # fmt: skip
        changed = privacy.sample_mechanism
        assert changed is not None
        rate = _MOVE * changed.expected_batch / (changed.clip_norm * lengths)
        plain = replace(
            self.plan.training, optimizer="sgd", learning_rate=rate, momentum=0.0,
            weight_decay=0.0, proximal_mu=0.0, schedule="constant",
        )  # fmt: skip
        return replace(
            self.plan, privacy=privacy, training=plain, compression=None, evaluation=None,
            rounds=10_000,
        )  # fmt: skip

    def evaluating(self, evaluation: EvaluationPlan) -> RunPlan:
        """The plan with this evaluation, as often as is wanted."""
        return replace(self.changed(1.0), evaluation=replace(evaluation, epsilon_limit=_NO_LIMIT))


class Probe:
    """The answers of one site, named ``site``, with ``windows``, under ``plan``.

    Each has a ledger of its own.
    """

    def __init__(
        self, participation: Participation, plan: RunPlan, site: str, windows: Windows
    ) -> None:
        self._participation, self._plan = participation, plan
        self._site = Site(site, -1, lambda: windows, lambda: windows, any_plan)
        self._gradients = WindowGradients(plan)
        self.parameters = parameters_of(build_net(plan.net, plan.task, plan.seed or 0))

    def sums(self, round_: int) -> Doubles:
        """The noised sum (D,) of the round's clipped gradients, over all steps, in clip norms.

        Raises:
            RunFailed: the site refuses.
        """
        asked = Instruction(self._plan, round_, self.parameters)
        (answer,) = self._participation.answer([(self._site, asked)])
        if isinstance(answer, Refusal):
            raise RunFailed(f"The site refuses to be examined ({answer.reason}): {answer.detail}")
        return self._in_clip_norms(answer)

    def counts(self, round_: int, parameters: Parameters | None = None) -> Evaluation:
        """The counts that an evaluation releases.

        Raises:
            RunFailed: the site refuses.
        """
        asked = Instruction(self._plan, round_, parameters or self.parameters)
        answer = self._participation.evaluate(self._site, asked)
        if isinstance(answer, Refusal):
            raise RunFailed(f"The site refuses to be examined ({answer.reason}): {answer.detail}")
        return answer

    def _in_clip_norms(self, answer: LocalUpdate) -> Doubles:
        mechanism = self._plan.privacy.sample_mechanism
        assert mechanism is not None
        scale = mechanism.expected_batch / mechanism.clip_norm / self._plan.training.learning_rate
        flat_D = self._gradients.flat(answer.delta).numpy().astype(np.float64)
        return np.asarray(-flat_D * scale)


@contextmanager
def probing(examined: Examined, plan: RunPlan, site: str, windows: Windows) -> Iterator[Probe]:
    """A probe on a new ledger."""
    place = examined.folder / f"probe-{len(list(examined.folder.glob('probe-*')))}"
    place.mkdir(parents=True)
    ledger = Ledger(place / "ledger.sqlite", time.time, site)
    participation = Participation(ledger, examined.trainer)
    try:
        yield Probe(participation, plan, site, windows)
    finally:
        participation.close()


def contributions(plan: RunPlan, parameters: Parameters, windows: Windows) -> Doubles:
    """What each window adds to a step's sum if it is in: (N, D), in clip norms."""
    mechanism = plan.privacy.sample_mechanism
    assert mechanism is not None
    gradients = WindowGradients(plan)
    gradients.at(parameters)
    bound = mechanism.grid(gradients.size).bound
    parts = [clipped(some_ND, bound) for some_ND in gradients.of(*gradients.prepared(windows))]
    return np.asarray(torch.cat(parts).numpy().astype(np.float64) / mechanism.clip_norm)


def length_of(mechanism: SampleMechanism, size: int, windows: int) -> float:
    """About the L2 norm of a round's noised sum on ``size`` parameters, in clip norms."""
    noise = mechanism.noise_multiplier**2 * size * mechanism.steps
    return math.sqrt(noise + (windows * mechanism.steps) ** 2)
