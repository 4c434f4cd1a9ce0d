"""What was released about a block in total, whatever the unit of each plan, and limits on it.

A release about a whole site is a release about each of its windows. Without a window the site's
update is another one, and both are at most a clip norm long: so they are up to two clip norms
apart, and the event is that of half the noise multiplier. Under the server's noise a site is drawn
with probability q with and without the window, which costs no more Rényi divergence than a
mechanism with twice that rate on the difference (docs/reference/accounting.md has the proof).
Held-out windows take no part in such an update.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fl_common.privacy.accounting import (
    AccountantName,
    Spend,
    epsilon_of_group,
    epsilon_of_groups,
)
from fl_common.privacy.evaluation import is_held_out
from fl_common.privacy.unit import WHOLE_SITE, Guarantee

_TOLERANCE = 1e-9  # of the limit: rounding must not refuse a plan calibrated to it
Histories = Mapping[str, tuple[Spend, ...]]
"""The events that were charged to each block of a site."""


@dataclass(frozen=True)
class Released:
    """All events about one block: on its own windows, and on updates of the whole site.

    The block of the whole site has its own events alone.
    """

    own: tuple[Spend, ...]
    of_site: tuple[Spend, ...] = ()

    def plus(self, spend: Spend) -> "Released":
        """With one more event on the block's own windows."""
        return replace(self, own=(*self.own, spend))

    def plus_of_site(self, spend: Spend) -> "Released":
        """With one more event on an update of the whole site."""
        return replace(self, of_site=(*self.of_site, spend))

    def epsilon(self, windows: int, delta: float, accountant: AccountantName) -> float:
        """Epsilon at ``delta`` for ``windows`` windows together; 0.0 if nothing was released.

        Events of both kinds are composed by RDP, for which the module's bound is proved.
        """
        if not self.of_site:
            return epsilon_of_group(self.own, windows, delta, accountant)
        own = [(spend, windows) for spend in self.own]
        of_site = [(of_window(spend), 1) for spend in self.of_site]
        return epsilon_of_groups([*own, *of_site], delta, "rdp")


def of_window(spend: Spend) -> Spend:
    """What an event on updates of a whole site is for any part of the site's windows."""
    rate = min(1.0, 2 * spend.sampling_rate)
    return Spend(spend.noise_multiplier / 2, rate, spend.steps)


def released_about(block: str, histories: Histories) -> Released:
    """All that was released about ``block`` of a site with these ``histories``."""
    own = histories.get(block, ())
    return Released(own, histories.get(WHOLE_SITE, ()) if is_trained_on(block) else ())


def is_trained_on(block: str) -> bool:
    """Whether updates may be about ``block`` of a site's data: not the site, not held out."""
    return block != WHOLE_SITE and not is_held_out(block)


@dataclass(frozen=True)
class Limit:
    """At most ``epsilon`` at ``delta`` for all that is released about a ``unit``.

    ``windows`` is the number of windows that share one; ``whose`` is for messages.
    """

    epsilon: float
    delta: float
    unit: str
    windows: int
    accountant: AccountantName
    whose: str

    @property
    def protects_site(self) -> bool:
        """Whether the limit is for each whole site."""
        return self.unit == "site"

    def spent(self, released: Released) -> float:
        """Epsilon of ``released`` for this limit's unit."""
        return released.epsilon(self.windows, self.delta, self.accountant)

    def holds(self, released: Released) -> bool:
        """Whether ``released`` is within the limit."""
        return self.spent(released) <= self.epsilon * (1 + _TOLERANCE)


def limit_of_plan(promise: Guarantee) -> Limit:
    """The limit that a plan promises."""
    return Limit(
        promise.epsilon_limit,
        promise.delta,
        promise.unit,
        promise.windows_per_unit,
        promise.accountant,
        "this plan's",
    )


def limit_of_owner(epsilon: float, delta: float, unit: str, windows: int) -> Limit:
    """The limit of a site's owner on all plans together, by RDP whatever a plan names.

    ``unit`` is ``window``, ``reading`` or ``site``; ``windows`` is the number of windows that share
    a unit on this site, as it cuts them itself. A server may choose each plan by what it has seen.
    That a limit on all of them then still holds is proved for Rényi DP (Feldman and Zrnic 2021;
    Lécuyer 2021).
    """
    return Limit(epsilon, delta, unit, windows, "rdp", "this site's own")
