"""What ``fl-simulate check`` prints: at most eighty columns wide, and no longer than a screen."""

from collections.abc import Sequence

import rich.console
from rich.table import Table
from rich.text import Text

from simulate.data.facts import Facts
from simulate.data.mistakes import Mistake
from simulate.report.wording import counted

_MOST = 12
_WIDTH = 80


def show(
    output: rich.console.Console,
    facts: Facts,
    test_rows: int | None,
    times: str | None,
    mistakes: Sequence[Mistake],
    command: str,
) -> None:
    """Print the facts, the likely mistakes, and the command to train with next."""
    output.width = min(output.width, _WIDTH)
    output.print(Text(facts.source, style="bold"), soft_wrap=True)
    output.print(_about(facts, test_rows, times))
    if facts.has_sites:
        by_site = [
            (name, str(rows)) for name, rows in zip(facts.sites, facts.rows_of_site, strict=True)
        ]
        title = counted(len(facts.sites), "site")
        if tested := len(facts.only_tested):
            title += f", {tested:,} of them for the test alone"
        _section(output, title, ("site", "rows"), by_site)
    if facts.labelled:
        _labels(output, facts)
    channels = [
        (c.name, f"{c.lowest:.4g}", f"{c.mean:.4g}", f"{c.highest:.4g}", str(c.missing))
        for c in facts.channels
    ]
    figures = ("channel", "lowest", "mean", "highest", "missing")
    _section(output, counted(len(facts.channels), "channel"), figures, channels)
    _mistakes(output, mistakes)
    output.print(Text("\nto train", style="bold"))
    output.print(Text(command), soft_wrap=True)


def _labels(output: rich.console.Console, facts: Facts) -> None:
    by_label: list[tuple[str, ...]] = [
        (name, str(rows.sum()), str((rows > 0).sum()))
        for name, rows in zip(facts.labels, facts.rows_of.T, strict=True)
    ]
    columns = 3 if facts.has_sites else 2
    by_label = [row[:columns] for row in by_label]
    heading = ("from, to" if facts.numeric else "label", "rows", "on sites")[:columns]
    title = counted(len(facts.labels), "tenth of the numbers", "tenths of the numbers")
    title = title if facts.numeric else counted(len(facts.labels), "label")
    _section(output, title, heading, by_label)


def _about(facts: Facts, test_rows: int | None, times: str | None) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    shape = " x ".join(map(str, facts.shape))
    kinds = {1: "features", 2: "readings x channels", 3: "channels x height x width"}
    table.add_row("rows", f"{facts.count:,} of {shape} ({kinds[len(facts.shape)]})")
    each = "site" if facts.has_sites else "label" if facts.labelled else "file"
    by_file = facts.rows.held_out_N is not None
    how = "by the file" if by_file else f"the last fifth of each {each}'s"
    table.add_row("test", how if test_rows is None else f"{counted(test_rows, 'row')}, {how}")
    words = "a label or a site" if facts.labelled else "a site"
    lacking = {"readings": facts.rows_with_gaps, words: facts.rows_without_words}
    gaps = [
        f"{counted(rows, 'row')} lack{'s' if rows == 1 else ''} {what}"
        for what, rows in lacking.items()
        if rows
    ]
    table.add_row("missing", ", ".join(gaps) or "none")
    if times is not None:
        table.add_row("time", Text(times))
    for note in facts.notes:
        table.add_row("", Text(note))
    return table


def _section(
    output: rich.console.Console,
    title: str,
    heading: Sequence[str],
    rows: Sequence[Sequence[str]],
) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    table.add_column(heading[0], overflow="ellipsis", max_width=32, no_wrap=True)
    for name in heading[1:]:
        table.add_column(name, justify="right")
    for row in rows[:_MOST]:
        table.add_row(*map(Text, row))
    output.print(Text(f"\n{title}", style="bold"))
    output.print(table)
    if len(rows) > _MOST:
        output.print(f"and {len(rows) - _MOST} more (--json has all)")


def _mistakes(output: rich.console.Console, mistakes: Sequence[Mistake]) -> None:
    count = len(mistakes)
    title = f"{count or 'no'} likely mistake{'s' if count > 1 else ''}"
    output.print(Text(f"\n{title}", style="bold yellow" if mistakes else "bold"))
    for mistake in mistakes:
        output.print(
            Text(f"- {mistake.what}{'' if mistake.what.endswith('?') else '.'} {mistake.remedy}.")
        )
