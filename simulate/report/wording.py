"""Phrases and units shared by the console and the report, so that both agree."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from fl_common.plan import RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS
from fl_common.privacy.unit import Guarantee
from fl_common.vocabulary import Task
from models.kinds import Measure, kind_of

NO_PRIVACY = "No differential privacy: updates reveal what they were trained on."
"""Said wherever a run without DP shows its figures."""

SEEDED_NOISE = "seeded noise: repeatable, for simulation only"
"""Whoever knows the seed can subtract the noise."""

_NAMED_BEST = 10_000_000
_NAMED = 5
"""So many labels are named in one line."""


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


def measure_text(measure: Measure, value: float | None) -> str:
    """A measure's value: a share as ``0.871``, a number with its unit as ``12.3 Cel``."""
    return one_line(measure.shown(value)) if _is_known(value) else share_text(value)


def title_text(measure: Measure) -> str:
    """A measure's name at the beginning of a line: ``Mean absolute error``."""
    return measure.title[0].upper() + measure.title[1:]


def measures_text(task: Task, values: Mapping[str, Any], most: int | None = None) -> str:
    """``mean absolute error 12.3 Cel, R² 0.45``: all measures of the task's kind, or ``most``."""
    named = [m for m in kind_of(task).measures[:most] if m.name in values]
    return ", ".join(f"{m.title} {measure_text(m, values[m.name])}" for m in named)


def score_text(task: Task, score: float | None) -> str:
    """The measure that a mean score on the sites stands for."""
    kind = kind_of(task)
    return measure_text(kind.on_sites, None if score is None else kind.of_score(score))


def spread_text(task: Task, error: float | None) -> str:
    """The standard error of that measure, from that of the score."""
    kind = kind_of(task)
    spread = None if error is None else abs(kind.of_score(error) - kind.of_score(0.0))
    return measure_text(kind.on_sites, spread)


def percent_text(share: float | None) -> str:
    """A share as ``87.1%``."""
    return f"{100 * share:.1f}%" if _is_known(share) else "unknown"


def points_text(difference: float, *, sign: bool = True) -> str:
    """A difference of shares as ``+12.3 points``."""
    if not math.isfinite(difference):
        return "unknown"
    return f"{100 * difference:{'+' if sign else ''}.1f} points"


def loss_text(loss: float | None) -> str:
    """A loss as ``0.41``, ``12.3``, ``0.0012`` or ``1.2e+05``; "not finite" if it has run away."""
    if not _is_known(loss):
        return "not finite"
    if 0 < loss < 0.1:
        return f"{loss:.2g}"
    return _three_digits(loss) if loss < 1000 else f"{loss:.1e}"


def privacy_sentence(plan: RunPlan) -> str:
    """How private the run is by its plan, in one line."""
    promise, mechanism = plan.privacy.guarantee, plan.privacy.mechanism
    if promise is None or mechanism is None:
        return NO_PRIVACY
    return (
        f"at most epsilon {promise.epsilon_limit:g} at delta {promise.delta:g} {whose_text(plan)}"
        f"{also_text(promise, _planned(plan, promise))},"
        f" noise multiplier {mechanism.noise_multiplier:.3g}{added_by_text(plan)},"
        f" {ACCOUNTANTS[promise.accountant]}"
    )


def whose_text(plan: RunPlan) -> str:
    """What a plan with DP protects: ``for each window of a site`` or ``for each whole site``."""
    unit, is_whole = plan.privacy.unit, plan.privacy.update_mechanism is not None
    return f"for each whole {unit}" if is_whole else f"for each {unit} of a site"


def also_text(promise: Guarantee | None, epsilon_per: Mapping[str, float]) -> str:
    """`` (18.8 for a reading)``: the unit that the plan does not name; else nothing.

    ``epsilon_per`` has the epsilon of each unit that the promise tells of.
    """
    if promise is None:
        return ""
    others = [
        f"{epsilon_per[unit]:.3g} for a {unit}"
        for unit, windows in promise.windows_in.items()
        if windows != promise.windows_per_unit and unit in epsilon_per
    ]
    return f" ({', '.join(others)})" if others else ""


def _planned(plan: RunPlan, promise: Guarantee) -> dict[str, float]:
    """Epsilon of each unit after all rounds; none where the limit ends them."""
    event = plan.privacy.spend_per_round
    per = promise.epsilon_per([replace(event, steps=event.steps * plan.rounds)])
    return per if per and per[promise.unit] <= promise.epsilon_limit * 1.001 else {}


def both_units_text(summary: Mapping[str, Any], plan: RunPlan) -> str:
    """The epsilons of a window and of a reading, where readings are shared; else nothing."""
    promise = plan.privacy.guarantee
    if promise is None or max(promise.windows_in.values(), default=1) == 1:
        return ""
    epsilons = ", ".join(
        f"{summary[f'epsilon_per_{unit}']:.3g} for a {unit}"
        + (f" (part of up to {windows} windows)" if windows > 1 else "")
        for unit, windows in promise.windows_in.items()
    )
    return f"epsilon {epsilons}"


def on_sites_text(figures: Mapping[str, Any], task: Task) -> str:
    """``accuracy 0.812 ± 0.021, loss 0.56 ± 0.08 over 10 sites``, with what the noise adds."""
    over, title = f"over {counted(figures['sites'], 'site')}", kind_of(task).on_sites.title
    out = figures["refused"] + figures["errors"]
    over += f", {counted(out, 'site')} out" if out else ""
    if figures["accuracy"] is None:
        return f"not known: too few windows for the noise, {over}"
    loss, spread = loss_text(figures["loss"]), ""
    if figures["noise_on_counts"]:
        spread = f" ± {spread_text(task, figures['accuracy_error'])}"
        loss += f" ± {loss_text(figures['loss_error'])}"
    reached = f"{title} {score_text(task, figures['accuracy'])}{spread}"
    return ", ".join([reached, *more_on_sites(figures, task), f"loss {loss} {over}"])


def more_on_sites(figures: Mapping[str, Any], task: Task) -> Iterator[str]:
    """The other measures on the sites, with what the noise adds, and whose labels it hides."""
    values, errors = figures.get("measures", {}), figures.get("measure_errors", {})
    for measure in kind_of(task).measures:
        if (value := values.get(measure.name)) is not None:
            spread = f" ± {measure_text(measure, errors[measure.name])}"
            spread = spread if figures["noise_on_counts"] else ""
            yield f"{measure.title} {measure_text(measure, value)}{spread}"
    if guess := figures.get("guess"):
        measures = {each.name: each for each in (*kind_of(task).measures, kind_of(task).on_sites)}
        measure, (value, error) = measures[guess["measure"]], guess["guess"].values()
        spread = f" ± {measure_text(measure, error)}" if figures["noise_on_counts"] else ""
        yield f"a guess has {measure.title} {measure_text(measure, value)}{spread}"
    elif "guess" in figures:
        yield "of a guess nothing is known"
    if hidden := figures.get("hidden_labels"):
        why = "too few windows for the noise" if figures["noise_on_counts"] else "no windows"
        more = f" and {len(hidden) - _NAMED} more" if len(hidden) > _NAMED else ""
        yield f"without {', '.join(map(one_line, hidden[:_NAMED]))}{more} ({why})"


def on_sites_price(figures: Mapping[str, Any], plan: RunPlan) -> str:
    """What the sites' counts cost their held-out windows; nothing where counts are public."""
    promise = plan.privacy.guarantee
    if promise is None or plan.evaluation is None:
        return "exact counts, which this plan makes public"
    per = "epsilon " + ", ".join(
        f"{figures[f'epsilon_per_{unit}']:.3g} for a {'held-out ' * (windows == 1)}{unit}"
        for unit, windows in promise.windows_in.items()
        if unit == "window" or windows > 1
    )
    return f"{per}, of {plan.evaluation.epsilon_limit:g}; ± is the standard error of the noise"


def held_out_text(summary: Mapping[str, Any], plan: RunPlan) -> str:
    """What evaluations have spent on held-out windows, with their limit; nothing without them."""
    spent = summary.get("epsilon_held_out")
    if plan.evaluation is None or spent is None:
        return ""
    return f"{spent:.3g} of {plan.evaluation.epsilon_limit:g} for each held-out {plan.privacy.unit}"


def added_by_text(plan: RunPlan) -> str:
    """Who adds the noise of a site-level plan; nothing where it is always the site itself."""
    if (mechanism := plan.privacy.update_mechanism) is None:
        return ""
    return " by the server, which is trusted" if mechanism.noise == "server" else " by each site"


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
