"""A charge to a ledger, and the rules for every number in it: none can give budget back."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

from fl_common.configuration.rules import above, inside, require, whole
from fl_common.errors import InvalidConfiguration, LedgerError, PrivacyViolation
from fl_common.privacy.accounting import Spend
from fl_common.privacy.unit import Guarantee, PrivacyPlan

_MOST = 10**9
_RULES = {"round": whole(0, _MOST), "rounds": whole(1, _MOST)}
_SPEND = {
    "noise_multiplier": above(0),
    "sampling_rate": inside("(0, 1]"),
    "steps": whole(1, _MOST**2),
}


@dataclass(frozen=True)
class Charge:
    """What one round of ``run`` would cost each of ``blocks``, all the blocks that ``site`` has.

    ``plan`` is the digest of the run's plan. ``repeatable``: a repeated round repeats its mechanism
    to the bit (seeded simulation), so that it releases nothing new. ``rounds`` is above 1 for a
    single charge for a whole run, which is booked as round 0. ``reads`` are the blocks of data that
    a release about the whole site is about; None: all that the ledger knows of.
    """

    site: str
    run: str
    round: int
    plan: str
    privacy: PrivacyPlan
    blocks: tuple[str, ...]
    repeatable: bool
    rounds: int = 1
    reads: tuple[str, ...] | None = None

    @cached_property
    def guarantee(self) -> Guarantee:
        """What the plan promises for these blocks.

        Raises:
            PrivacyViolation: it promises nothing, so there is no limit to enforce.
        """
        if (promise := self.privacy.guarantee) is None:
            raise PrivacyViolation(f"privacy={self.privacy.unit} promises nothing to charge for.")
        return promise

    @cached_property
    def spend(self) -> Spend:
        """The event of the plan's own mechanism, which each block is charged for."""
        if (mechanism := self.privacy.mechanism) is None:
            raise PrivacyViolation(f"privacy={self.privacy.unit} has no noise to charge for.")
        event = mechanism.event
        return event if self.rounds == 1 else replace(event, steps=event.steps * self.rounds)

    @property
    def mechanism(self) -> dict[str, float]:
        """Clip norm, noise multiplier, sampling rate and steps: the same in a repetition."""
        spend, mechanism = self.spend, self.privacy.mechanism
        assert mechanism is not None  # it gave the event
        return {
            "clip": float(mechanism.clip_norm),
            "noise": float(spend.noise_multiplier),
            "rate": float(spend.sampling_rate),
            "steps": int(spend.steps),
        }

    def check(self) -> None:
        """Raise LedgerError unless every number is one that a round can cost.

        A negative number of rounds or steps would give budget back, and a fraction would round.
        """
        if not all((self.site, self.run, *self.blocks)):
            raise self._unsound("must name its site, its run and each block")
        try:
            for name, rule in _RULES.items():
                require(name, getattr(self, name), rule)
            for name, rule in _SPEND.items():
                require(name, getattr(self.spend, name), rule)
        except InvalidConfiguration as error:
            raise self._unsound(str(error)) from error
        if not math.isfinite(self.mechanism["clip"]):
            raise self._unsound("must have a finite clip norm")

    def _unsound(self, rule: str) -> LedgerError:
        return LedgerError(
            f"a charge for round {self.round} of run {self.run}: {rule}. Nothing was booked; use a"
            " plan of the shipped privacy units, or correct the unit's class."
        )
