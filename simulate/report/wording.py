"""The words and units that the console and the report share, so that both say the same."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from fl_common.plan import Privacy, RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS, epsilon_of_group
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import SitePrivacyPlan
from fl_common.privacy.window_level import PrivacyPlan

NO_PRIVACY = "No differential privacy: updates reveal what they were trained on."
"""Said wherever a run without DP shows its figures."""

SEEDED_NOISE = "seeded noise: repeatable, for simulation only"
"""Whoever knows the seed can subtract the noise (DESIGN decision 6)."""

_NAMED_BEST = 10_000_000


def bytes_text(count: float) -> str:
    """Bytes in decimal units, three digits: ``1.23 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{_three_digits(count / size)} {unit}"
    return f"{count:.0f} B"


def seconds_text(seconds: float) -> str:
    """``12 ms``, ``1.23 s``, ``4 min 05 s``, ``2 h 03 min``."""
    if seconds < 0.0995:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 59.95:
        return f"{_three_digits(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def clock_text(seconds: float) -> str:
    """``0:12`` or ``1:02:03``, for a countdown."""
    minutes, rest = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
        if minutes >= 60
        else f"{minutes}:{rest:02d}"
    )


def share_text(share: float | None) -> str:
    """A share as ``0.871``."""
    return f"{share:.3f}" if _is_known(share) else "unknown"


def percent_text(share: float | None) -> str:
    """A share as ``87.1%``."""
    return f"{100 * share:.1f}%" if _is_known(share) else "unknown"


def loss_text(loss: float | None) -> str:
    """A loss as ``0.412`` (or ``12.3``, ``1.2e+05``); "not finite" where it has run away."""
    if not _is_known(loss):
        return "not finite"
    return _three_digits(loss) if loss < 1000 else f"{loss:.1e}"


def privacy_sentence(plan: RunPlan) -> str:
    """How private the run is by its plan, in one line."""
    privacy = plan.privacy
    if isinstance(privacy, NoPrivacy):
        return NO_PRIVACY
    return (
        f"at most epsilon {privacy.epsilon_limit:g} at delta {privacy.delta:g} {whose_text(plan)}"
        f"{also_text(privacy, _planned(plan))},"
        f" noise multiplier {privacy.noise_multiplier:.3g}{added_by_text(plan)},"
        f" {ACCOUNTANTS[privacy.accountant]}"
    )


def whose_text(plan: RunPlan) -> str:
    """What a plan with DP protects: ``for each window of a site`` or ``for each whole site``."""
    unit = plan.privacy.unit
    return "for each whole site" if unit == "site" else f"for each {unit} of a site"


def also_text(privacy: Privacy, epsilon_per: Mapping[str, float]) -> str:
    """`` (18.8 for a reading)``: the unit that the plan does not name; else nothing.

    ``epsilon_per`` has the epsilon of a window and of a reading, where one of them is protected.
    """
    if not isinstance(privacy, PrivacyPlan) or privacy.windows_per_reading == 1:
        return ""
    other = "window" if privacy.unit == "reading" else "reading"
    return f" ({epsilon_per[other]:.3g} for a {other})" if other in epsilon_per else ""


def _planned(plan: RunPlan) -> dict[str, float]:
    """Epsilon of a window and of a reading after all rounds; none where the limit ends them."""
    privacy = plan.privacy
    if not isinstance(privacy, PrivacyPlan):
        return {}
    event = privacy.spend_per_round
    spends = [replace(event, steps=event.steps * plan.rounds)]
    shared = {"window": 1, "reading": privacy.windows_per_reading}
    per = {
        unit: epsilon_of_group(spends, windows, privacy.delta, privacy.accountant)
        for unit, windows in shared.items()
    }
    return per if per[privacy.unit] <= privacy.epsilon_limit * 1.001 else {}


def both_units_text(summary: Mapping[str, Any], plan: RunPlan) -> str:
    """The epsilons of a window and of a reading, where readings are shared; else nothing."""
    if not isinstance(plan.privacy, PrivacyPlan) or plan.privacy.windows_per_reading == 1:
        return ""
    return (
        f"epsilon {summary['epsilon_per_window']:.3g} for a window,"
        f" {summary['epsilon_per_reading']:.3g} for a reading"
        f" (part of up to {plan.privacy.windows_per_reading} windows)"
    )


def on_sites_text(figures: Mapping[str, Any]) -> str:
    """``accuracy 0.812 ± 0.021, loss 0.56 ± 0.08 over 10 sites``, with what the noise adds."""
    over = f"over {counted(figures['sites'], 'site')}"
    out = figures["refused"] + figures["errors"]
    over += f", {counted(out, 'site')} out" if out else ""
    if figures["accuracy"] is None:
        return f"not known: too few windows for the noise, {over}"
    if not figures["noise_on_counts"]:
        return (
            f"accuracy {share_text(figures['accuracy'])}, loss {loss_text(figures['loss'])} {over}"
        )
    return (
        f"accuracy {share_text(figures['accuracy'])} ± {share_text(figures['accuracy_error'])},"
        f" loss {loss_text(figures['loss'])} ± {loss_text(figures['loss_error'])} {over}"
    )


def on_sites_price(figures: Mapping[str, Any], plan: RunPlan) -> str:
    """What the sites' counts cost their held-out windows; nothing where counts are public."""
    if not isinstance(plan.privacy, PrivacyPlan) or plan.evaluation is None:
        return "exact counts, which this plan makes public"
    per = f"epsilon {figures['epsilon_per_window']:.3g} for a held-out window"
    if plan.privacy.windows_per_reading > 1:
        per += f", {figures['epsilon_per_reading']:.3g} for a reading"
    return f"{per}, of {plan.evaluation.epsilon_limit:g}; ± is the standard error of the noise"


def added_by_text(plan: RunPlan) -> str:
    """Who adds the noise of a site-level plan; nothing where it is always the site itself."""
    if not isinstance(plan.privacy, SitePrivacyPlan):
        return ""
    return " by the server, which is trusted" if plan.privacy.noise == "server" else " by each site"


def refusals_text(refusals: Mapping[str, int]) -> str:
    """``budget 12, training 1``."""
    return ", ".join(f"{reason} {count}" for reason, count in sorted(refusals.items()))


def odds_text(epsilon: float) -> str:
    """The factor e^epsilon in a form that a person can read."""
    if epsilon > 300:
        return f"e^{epsilon:.0f}"
    factor = math.exp(epsilon)
    return (
        f"{factor:,.3g}"
        if factor < 1000
        else f"{factor:,.0f}"
        if factor < _NAMED_BEST
        else f"{factor:.1e}"
    )


def title_of(summary: Mapping[str, Any]) -> str:
    """``wearables, cnn1d: 10 sites, 30 rounds, seed 0``."""
    return (
        f"{summary['task']}, {summary['net']}: {counted(summary['sites'], 'site')},"
        f" {counted(summary['rounds'], 'round')}, {seed_text(summary['seed'])}"
    )


def seed_text(seed: int | None) -> str:
    """``seed 0``, or where chance came from."""
    return "chance of the operating system" if seed is None else f"seed {seed}"


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 site``, ``12 sites``, ``1,000,000 sites``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def one_line(text: str) -> str:
    """``text`` in one line, without what would steer a terminal."""
    return "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(text.split())
    )


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _three_digits(value: float) -> str:
    digits = 0 if value >= 99.95 else 1 if value >= 9.995 else 2
    return f"{value:.{digits}f}"
