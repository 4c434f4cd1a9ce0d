"""What the command leaves: a table on the console, ``baselines.json`` and a page."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import rich.console
from rich.table import Column, Table
from rich.text import Text

from simulate.baselines.chart import chart
from simulate.baselines.comparison import Comparison, Way
from simulate.report.frame import fact, pairs, table, text, write_page
from simulate.report.results import write_summary
from simulate.report.versions import versions
from simulate.report.wording import counted, seed_text, title_text

_BODY = Path(__file__).parent / "page.html"
_MOST_SITES = 1000
"""Up to here the page has a table of all sites; the record has them in any case."""
_HEAD = ("mean over sites", "worst tenth", "epsilon", "gradients of windows")


def record_of(compared: Comparison) -> dict[str, Any]:
    """``baselines.json``, which ``baselines.schema.json`` beside this file describes."""
    return {
        "task": compared.task,
        "net": compared.net,
        "seed": compared.seed,
        "answer": compared.answer,
        "worth_it": compared.is_worth_it,
        "measure": asdict(compared.measure),
        "change": compared.change,
        "standard_error": compared.standard_error,
        "worst_tenth_change": compared.worst_change,
        "sites": len(compared.sites),
        "better_off": compared.better_off,
        "left_out": compared.left_out,
        "stopped": compared.stopped,
        "budget": {"rounds": compared.rounds, "passes_per_round": compared.passes},
        "judged_on": compared.judged_on,
        "privacy_unit": compared.privacy_unit,
        "delta": compared.delta,
        "ways": {way.name: _way(way, compared) for way in compared.ways},
        "notes": list(compared.notes),
        "versions": versions(),
    }


def _way(way: Way, compared: Comparison) -> dict[str, Any]:
    return {
        "mean": way.mean,
        "worst_tenth": compared.worst_tenth(way),
        "epsilon": way.epsilon,
        "gradients": way.gradients,
        "value_of_site": dict(zip(compared.sites, way.values, strict=True)),
    }


def leave(compared: Comparison, folder: Path, output: rich.console.Console) -> None:
    """Write record and page to ``folder``, and print the table with the answer below it.

    The page shares the plotting library of the runs' reports.
    """
    record, page = folder / "baselines.json", folder / "report.html"
    write_summary(record, record_of(compared))
    title = f"{compared.task}: was federating worth it?"
    write_page(page, title, [chart(compared)], _BODY, _parts(compared), folder)
    shown = Table(
        *(Column(Text(word)) for word in _head(compared)),
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for row in _rows(compared):
        shown.add_row(*map(Text, row))
    output.print()
    output.print(shown)
    for note in [*compared.notes, *_meaning(compared)]:
        output.print(Text(note), soft_wrap=not output.is_terminal)
    output.print(Text(f"report   {page}\nrecord   {record}"), soft_wrap=True)
    output.print()
    output.print(Text(compared.answer, style="bold"), soft_wrap=not output.is_terminal)


def _parts(compared: Comparison) -> dict[str, str]:
    """The page's: the answer, and the tables."""
    about = (
        f"{compared.task}, net {compared.net}, {counted(len(compared.sites), 'site')},"
        f" {seed_text(compared.seed)}. {_budget(compared)}"
    )
    return {
        "about": text(about),
        "answer": text(compared.answer),
        "notes": _paragraphs(compared.notes),
        "glance": "".join(_glance(compared)),
        "ways": table(_head(compared), list(_rows(compared))),
        "meaning": _paragraphs(_meaning(compared)),
        "sites": _sites(compared),
        "versions": pairs(versions()),
    }


def _head(compared: Comparison) -> tuple[str, ...]:
    return title_text(compared.measure), *_HEAD


def _rows(compared: Comparison) -> Iterator[tuple[str, ...]]:
    for way in compared.ways:
        epsilon = "no DP" if way.epsilon is None else f"{way.epsilon:.3g}"
        gradients = f"{way.gradients:,}"
        means = map(compared.figures.value, (way.mean, compared.worst_tenth(way)))
        yield way.name, *means, epsilon, gradients


def _budget(compared: Comparison) -> str:
    passes = counted(compared.passes, "pass", "passes")
    return (
        f"Each model has the same budget of gradient steps: {counted(compared.rounds, 'round')} of"
        f" {passes} over the windows that it learns from."
    )


def _meaning(compared: Comparison) -> list[str]:
    """What the epsilons of the ways mean."""
    if compared.delta is None:
        return []
    if compared.local.epsilon is None:
        return [
            "One site alone can't hide whether it took part, so local-only and centralised are"
            f" trained without DP: the price of epsilon {compared.federated.epsilon:.3g} for each"
            " whole site is part of the difference."
        ]
    return [
        "The epsilon of local-only is what a site would spend if it showed its own model to others"
        " (a model that stays where its data are needs no DP, and can be better); that of federated"
        " covers all updates of the site that spent most; that of centralised holds against whoever"
        " sees the model, not against the place that has all windows."
    ]


def _glance(compared: Comparison) -> Iterator[str]:
    verdict = {True: "yes", False: "no", None: "not clear"}[compared.is_worth_it]
    said = compared.figures
    error = said.change(compared.standard_error, sign=False)
    less = "federated less local-only"
    if not compared.measure.higher_is_better:
        less += "; lower is better"
    yield fact("Worth it", verdict, "by the mean over sites")
    yield fact("Mean over sites", said.change(compared.change), f"± {error}; {less}")
    yield fact("Worst tenth", said.change(compared.worst_change), less)
    of = f"of {counted(len(compared.sites), 'site')}"
    yield fact("Better off", f"{compared.better_off:,}", of)
    for way in compared.ways:
        epsilon = "no DP" if way.epsilon is None else f"ε {way.epsilon:.3g}"
        yield fact(way.name.capitalize(), said.value(way.mean), epsilon)


def _paragraphs(lines: Sequence[str]) -> str:
    return "".join(f'<p class="about">{text(line)}</p>' for line in lines)


def _sites(compared: Comparison) -> str:
    if len(compared.sites) > _MOST_SITES:
        return "<p>baselines.json has all of them.</p>"
    columns = zip(*(way.values for way in compared.ways), strict=True)
    rows = [
        (site, *map(compared.figures.value, values))
        for site, values in zip(compared.sites, columns, strict=True)
    ]
    return table(("site", *(way.name for way in compared.ways)), rows)
