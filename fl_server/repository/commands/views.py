"""``fl-repo list``, ``show``, ``verify`` and ``log``: components and their history."""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.table import Table
from rich.text import Text

from fl_common.components.description import Component, Stage, StageEntry
from fl_common.components.reader import Reader
from fl_server.repository.build import build_limits
from fl_server.repository.commands.history import life
from fl_server.repository.commands.options import (
    Command,
    Options,
    add_address,
    add_component,
    configuration,
    kind_of,
    output,
    print_json,
    repository_of,
    say,
)
from fl_server.repository.promotion import candidate, newest
from fl_server.repository.store.repository import ComponentRepository
from fl_server.repository.store.statements import NOTHING, Verdict

_DIGITS = 12
_STYLES = {"passed": "green", "FAILED": "bold red"}


def _list_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for machines")


def _list(options: Options) -> None:
    repository = repository_of(options)
    entries = [entry for stage in Stage for entry in repository.entries(stage)]
    if options.json:
        print_json([_row(entry) for entry in entries])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("kind", "name", "version", "stage", "bytes", "gates", "digest"):
        table.add_column(column, no_wrap=True, justify="right" if column == "bytes" else "left")
    for entry in entries:
        component = entry.component
        stage = f"{entry.stage} (retired)" if entry.retired else str(entry.stage)
        cells = (component.kind, component.name, component.version, stage, f"{component.size}")
        gates = _gates(repository.verdicts(component.digest))
        table.add_row(*cells, gates, component.digest[:_DIGITS])
    if entries:
        output().print(table)
    else:
        say("Nothing was added yet.")


def _row(entry: StageEntry) -> dict[str, Any]:
    component = entry.component
    return {
        "kind": component.kind,
        "name": component.name,
        "version": component.version,
        "stage": entry.stage,
        "retired": entry.retired,
        "bytes": component.size,
        "digest": component.digest,
    }


def _gates(verdicts: Sequence[Verdict]) -> str:
    words = Counter(verdict.word for verdict in newest(verdicts).values())
    failed = [gate for gate, verdict in newest(verdicts).items() if not verdict.passed]
    parts = [f"{words['passed']} passed"]
    parts += [f"{words[NOTHING]} had {NOTHING}"] if words[NOTHING] else []
    parts += [f"failed: {', '.join(failed)}"] if failed else []
    return ", ".join(parts)


LIST = Command(
    "list",
    "list the components in each stage",
    "Lists the current component of each name in each stage.",
    "  fl-repo list\n  fl-repo list --json -r /srv/components\n",
    _list_arguments,
    _list,
)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    add_component(parser)
    parser.add_argument("--version", help="the one that is in testing, if not given")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")


def _show(options: Options) -> None:
    repository = repository_of(options)
    component = candidate(repository, kind_of(repository, options), options.name, options.version)
    if options.json:
        output().out(component.manifest.decode())
        return
    table = pairs()
    table.add_row("digest", component.digest)
    table.add_row("stages", _stages(repository, component))
    for file in component.files:
        table.add_row("file", f"{file.path}, {file.bytes} bytes, sha256 {file.sha256[:_DIGITS]}")
    for name, value in sorted(component.description.items()):
        if name not in ("definition", "golden"):
            table.add_row(name, Text(_text(value)))
    output().print(str(component), style="bold")
    output().print(table)
    if verdicts := repository.verdicts(component.digest):
        output().print(verdict_table(list(newest(verdicts).values()), {}))


def _stages(repository: ComponentRepository, component: Component) -> str:
    entries = [repository.entry(component.kind, component.name, stage) for stage in Stage]
    there = [e.stage for e in entries if e and e.component == component and not e.retired]
    return ", ".join(there) or "none"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list):
        return "; ".join(_text(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


SHOW = Command(
    "show",
    "one component: files, lineage, verdicts",
    "Shows a component's files, how it was made, and the newest verdict of each gate.",
    "  fl-repo show wearables\n  fl-repo show wearables --version 3 --json\n",
    _show_arguments,
    _show,
)


def verdict_table(verdicts: Sequence[Verdict], not_run: Mapping[str, str]) -> Table:
    """One row for each gate."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for verdict in verdicts:
        style = _STYLES.get(verdict.word, "yellow")
        table.add_row(verdict.gate, Text(verdict.word, style), Text(verdict.detail))
    for gate, why in not_run.items():
        table.add_row(gate, Text("not run", "yellow"), Text(why))
    return table


def _verify(options: Options) -> None:
    """Read everything as a new site would; every error ends the command."""
    repository, limits = repository_of(options), build_limits(configuration(options))
    source: str | Path = options.url or repository.folder
    count = size = events = 0
    with TemporaryDirectory() as folder:
        reader = Reader(Path(folder), source, repository.root(), limits, ca_file=options.ca_file)
        reader.refresh()
        for stage in Stage:
            for entry in repository.entries(stage):
                kind, name = entry.component.kind, entry.component.name
                events += len(repository.history(kind, name, stage))
                if (found := reader.current(kind, name, stage)) is not None:
                    reader.fetch(found)
                    count, size = count + 1, size + found.size
    say(
        f"{source}: all signatures hold, and {count} components ({size} bytes) are what was signed."
        f" {events} events of their history are unbroken."
    )


VERIFY = Command(
    "verify",
    "verify everything as a site would",
    "Reads the repository with a new site's own code: signatures, expiry, digests, content.",
    "  fl-repo verify\n  fl-repo verify --url https://components.example.org\n",
    add_address,
    _verify,
)


def _log(options: Options) -> None:
    repository = repository_of(options)
    for line in life(repository, kind_of(repository, options), options.name):
        say(line)


LOG = Command(
    "log",
    "a component's history in plain words",
    "Shows who trained it, the verdict of each gate, who promoted it when, and what replaced it.",
    "  fl-repo log wearables\n",
    add_component,
    _log,
)


def pairs() -> Table:
    """A table of names and what they have, without a heading."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    return table
