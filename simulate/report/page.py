"""``report.html``: a run as one page that a person would show a colleague.

The page is one file: plotly.js, styles and figures are in it. Reports of a sweep share the one
copy of plotly.js beside them. Everything that comes from data or configuration is escaped.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fl_common.plan import RunPlan
from fl_common.privacy.mechanisms import SampleMechanism
from fl_common.privacy.unit import Guarantee
from models.kinds import FORECAST, MULTILABEL, SEQUENCE, kind_of, learns_scores
from simulate.report.figures import figures
from simulate.report.frame import fact, pairs, table, text, write_page
from simulate.report.functions import functions_part
from simulate.report.results import Outcome, RoundResult
from simulate.report.site_promise import Promise, site_promise
from simulate.report.wording import (
    NO_PRIVACY,
    also_text,
    both_units_text,
    bytes_text,
    counted,
    held_out_text,
    loss_text,
    measure_text,
    measures_text,
    more_on_sites,
    odds_text,
    on_sites_price,
    percent_text,
    refusals_text,
    score_text,
    seconds_text,
    seed_text,
    spread_text,
    title_text,
)

_BODY = Path(__file__).parent / "page.html"
_NAMED_CLASSES = 12
_CHOICES = ("net_choice", "rate_choice")
_RECORD = (
    "run",
    "legs",
    "init",
    "strategy",
    "engine",
    "accountant",
    "noise_multiplier",
    "plan_digest",
    "parameter_digest",
    "onnx_path",
    "onnx_parity",
)


def write_report(
    path: Path,
    plan: RunPlan,
    summary: Mapping[str, Any],
    rounds: Sequence[RoundResult],
    outcome: Outcome,
    configuration: str,
    shared: Path | None = None,
) -> None:
    """Write the page for a run of at least one round; ``configuration`` is its resolved YAML.

    ``shared`` is the folder that has the plotting library for it and others; None: it has its own.
    """
    parts = {
        "task": text(summary["task"]),
        "about": text(_about(summary)),
        "lead": text(_lead(plan, summary)),
        "notes": _notes(summary),
        "glance": "".join(_glance(plan, summary)),
        "privacy": _privacy(plan, summary),
        "functions": functions_part(summary.get("functions", ())),
        "rounds": _rounds_table(plan, rounds),
        "record": pairs({key: summary[key] for key in _RECORD if summary[key] not in (None, [])}),
        "configuration": escape(configuration),
        "versions": pairs(summary["versions"]),
    }
    title = f"{summary['task']}: federated run {summary['run']}"
    write_page(path, title, figures(plan, rounds, outcome), _BODY, parts, shared)


def _notes(summary: Mapping[str, Any]) -> str:
    """What was guessed of the data, and who was left out."""
    notes = "".join(f"<li>{text(note)}</li>" for note in summary["notes"])
    return f'<ul class="about">{notes}</ul>' if notes else ""


def _about(summary: Mapping[str, Any]) -> str:
    return (
        f"Federated run of {counted(summary['rounds'], 'round')} on"
        f" {counted(summary['sites'], 'site')}, net {summary['net']}, strategy"
        f" {summary['strategy']}, {seed_text(summary['seed'])}"
    )


def _lead(plan: RunPlan, summary: Mapping[str, Any]) -> str:
    task = plan.task
    shape = " by ".join(map(str, task.window_shape))
    rate = f" at {task.rate_hz:g} readings a second" if task.rate_hz else ""
    return (
        f"A network learned {_learnt(plan)}"
        f" windows of {shape} values{rate}. The windows stayed on their sites; only updates of the"
        f" network's parameters left. {_reached(plan, summary)}"
        + "".join(f" {text}." for name in _CHOICES if (text := summary.get(name)))
    )


def _learnt(plan: RunPlan) -> str:
    labels = plan.task.labels
    if plan.task.kind.name == FORECAST:
        horizon = dict(plan.task.kind.options)["horizon"]
        return f"to tell the next {'reading' if horizon == 1 else f'{horizon} readings'} from"
    if learns_scores(plan.task):
        return "without labels what is normal in"
    if plan.task.kind.name == MULTILABEL:
        columns = kind_of(plan.task).columns
        named = f" ({', '.join(columns)})" if len(columns) <= _NAMED_CLASSES else ""
        return f"to tell which of {counted(len(columns), 'label')}{named} belong to"
    if not labels:
        return "to tell a number from"
    named = f" ({', '.join(labels)})" if len(labels) <= _NAMED_CLASSES else ""
    where = "in each reading of" if plan.task.kind.name == SEQUENCE else "in"
    return f"to recognise {counted(len(labels), 'class', 'classes')}{named} {where}"


def _reached(plan: RunPlan, summary: Mapping[str, Any]) -> str:
    if not plan.task.labels:
        told = measures_text(plan.task, summary["measures"])
        return f"On the windows held out from training: {told}."
    right = percent_text(summary["accuracy"])
    each = "readings" if plan.task.kind.name == SEQUENCE else "windows"
    return f"It classifies {right} of the {each} held out from training correctly."


def _glance(plan: RunPlan, summary: Mapping[str, Any]) -> Iterable[str]:
    seconds = summary["seconds"]
    yield from _quality(plan, summary)
    if (promise := plan.privacy.guarantee) is not None:
        spent = f"ε {summary['epsilon']:.3g}"
        per = {unit: summary.get(f"epsilon_per_{unit}", 0.0) for unit in promise.windows_in}
        yield fact(
            "Privacy spent",
            spent,
            f"for each {promise.unit}{also_text(promise, per)};"
            f" limit {promise.epsilon_limit:g}, δ {summary['delta']:g}"
            + (f"; {held_out}" if (held_out := held_out_text(summary, plan)) else ""),
        )
    else:
        yield fact("Privacy", "none", "no noise was added", "alarming")
    refused = refusals_text(summary["refusals"])
    yield fact(
        "Sites", f"{summary['sites']:,}", f"refused: {refused}" if refused else "none refused"
    )
    yield fact("Rounds", f"{summary['rounds']:,}", f"{seconds_text(seconds['per_round'])} each")
    total = bytes_text(summary["bytes_up"] + summary["bytes_down"])
    yield fact("Traffic", total, f"{bytes_text(summary['bytes_up'])} up")
    yield fact(
        "Time", seconds_text(seconds["total"]), f"{seconds_text(seconds['start_up'])} to start"
    )


def _quality(plan: RunPlan, summary: Mapping[str, Any]) -> Iterable[str]:
    """The measures on the test set, and the first one on the sites."""
    task, values = plan.task, summary["measures"]
    first, *others = kind_of(task).measures
    value = percent_text(summary["accuracy"])
    if not task.labels:
        value = measure_text(first, values[first.name])
    told = [f"{each.title} {measure_text(each, values[each.name])}" for each in others]
    if guess := summary.get("guess"):
        reached = measure_text(first, guess["measures"][first.name])
        told.append(f"a guess has {reached}, by {guess['says']}")
    title = title_text(first)
    yield fact(title, value, ", ".join([f"loss {loss_text(summary['loss'])}", *told]))
    if on_sites := summary["on_sites"]:
        reached, error = on_sites["accuracy"], on_sites["accuracy_error"]
        share, spread = percent_text(reached), percent_text(error)
        if not task.labels:
            share, spread = score_text(task, reached), spread_text(task, error)
        more = f"± {spread} by noise" if on_sites["noise_on_counts"] else "exact counts"
        more = ", ".join([more, *more_on_sites(on_sites, task)])
        title = title_text(kind_of(task).on_sites)
        yield fact(f"{title} on the sites", share, f"{more}; {on_sites_price(on_sites, plan)}")


def _privacy(plan: RunPlan, summary: Mapping[str, Any]) -> str:
    """The guarantee in prose: what it covers, against whom, and what it does not cover."""
    if (words := _promise(plan, summary)) is None:
        return (
            f'<div class="alarm"><h2>How private?</h2><p><strong>{text(NO_PRIVACY)}</strong></p>'
            "<p>Anyone who sees a site's update, or the model, may be able to tell whether a window"
            " was in the training data, or what it looked like. Choose privacy=window to bound"
            " that.</p></div>"
        )
    seeded = (
        " The noise of this run came from a seed, so that the run is reproducible; anyone who knows"
        " the seed can subtract it. On real devices the noise comes from the operating system."
        if plan.seed is not None
        else ""
    )
    return (
        '<div class="private"><h2>How private?</h2><div class="prose">'
        f"<p>{text(words.promise)}</p><p>{text(words.meaning)}</p>"
        f"<p>{text(words.limits + seeded)}</p><p><small>{text(words.how)}</small></p></div></div>"
    )


def _promise(plan: RunPlan, summary: Mapping[str, Any]) -> Promise | None:
    """The plan's guarantee, according to its mechanism; None without DP."""
    promise, samples = plan.privacy.guarantee, plan.privacy.sample_mechanism
    if promise is not None and samples is not None:
        words = _window_promise(promise, samples, both_units_text(summary, plan), summary)
        return words._replace(promise=words.promise + _evaluated(plan, summary))
    if promise is not None and (updates := plan.privacy.update_mechanism) is not None:
        return site_promise(promise, updates, summary)
    return None


def _window_promise(
    guarantee: Guarantee, mechanism: SampleMechanism, both: str, summary: Mapping[str, Any]
) -> Promise:
    epsilon, delta, unit = summary["epsilon"], summary["delta"], summary["privacy_unit"]
    promise = (
        f"All updates that a site sent, in this run and in others on the same ledger, are taken"
        f" together (ε, δ)-differentially private for each {unit} of its data: ε = {epsilon:.3g} at"
        f" δ = {delta:g} on the site that spent most, and the limit is {guarantee.epsilon_limit:g}."
    )
    meaning = (
        f"Adding any one {unit} to a site's training data, or removing it, makes no result more"
        f" than e^ε = {odds_text(epsilon)} times as likely, except with probability δ. This holds"
        " against anyone who sees the updates, including the server, since each site clips and"
        " adds noise before anything leaves."
    )
    limits = (
        f"One {unit} is protected, not all that a person contributed."
        f"{f' At the same delta it is {both}.' if both else ''} The guarantee does not cover the"
        " test windows, from which the figures below were computed."
    )
    how = (
        f"Accountant: {summary['accountant']}. Noise multiplier {summary['noise_multiplier']:.4g},"
    )
    how += f" clip norm {mechanism.clip_norm:g}, sampling rate {mechanism.sampling_rate:.4g},"
    how += f" {counted(mechanism.steps, 'step')} a round."
    return Promise(promise, meaning, limits, how)


def _evaluated(plan: RunPlan, summary: Mapping[str, Any]) -> str:
    """What holds for held-out windows, of which evaluations released noised counts."""
    if plan.evaluation is None or "epsilon_held_out" not in summary:
        return ""
    return (
        f" Evaluations on the sites had a limit of their own: what was sent about a held-out"
        f" {plan.privacy.unit} has ε = {summary['epsilon_held_out']:.3g}, and the limit is"
        f" {plan.evaluation.epsilon_limit:g}."
    )


def _rounds_table(plan: RunPlan, rounds: Sequence[RoundResult]) -> str:
    first = kind_of(plan.task).measures[0]
    head = ("round", "asked", "updates", "refused", "errors", "cut", first.title, "loss", "epsilon",
            "up", "down", "seconds")  # fmt: skip
    rows = [
        (r.round, r.sites_asked, r.updates, refusals_text(r.refusals) or "0", r.errors, r.cut,
         measure_text(first, r.measures.get(first.name, r.accuracy)), loss_text(r.loss),
         f"{r.epsilon:.3f}{also_text(plan.privacy.guarantee, r.epsilon_per)}",
         bytes_text(r.bytes_up), bytes_text(r.bytes_down), f"{r.seconds:.3f}")
        for r in rounds
    ]  # fmt: skip
    return table(head, rows)
