"""Tables whose rows are kept as soon as they are there, each with where it was measured.

A row is a data class of its program. What is not measured again stays as it was.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Generic, TypeVar

from rich.console import Console

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from simulate.report.results import write_text

_R = TypeVar("_R")
_MACHINE = "machine"
_console = Console(highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class KeptTable(Generic[_R]):
    """The page docs/``page``.md of the rows in benchmarks/``kept``.json.

    ``row`` makes a row of its fields. Rows that have the same values of ``keys`` are of the same
    thing; the first of these is one of ``names``, by which they are ordered. ``to_markdown`` takes
    the rows, and the line that says where they were measured.
    """

    kept: str
    page: str
    names: Iterable[str]
    keys: tuple[str, ...]
    row: Callable[..., _R]
    to_markdown: Callable[[Sequence[_R], str], str]

    def fill(self, rows: Iterable[_R], line: Callable[[_R], Sequence[str]]) -> None:
        """Keep each of ``rows`` as soon as it is measured, and print its ``line``.

        Exit status 1 where a run failed; what was measured stays.
        """
        here = machine()
        try:
            for row in rows:
                self.keep(row, here)
                _console.print(" | ".join(line(row)))
        except ProcessFailed as error:
            sys.exit(f"error: {error}")

    def keep(self, row: _R, measured: str, root: Path = ROOT) -> None:
        """Keep ``row``, ``measured`` there, and write the page."""
        path, names = root / "benchmarks" / f"{self.kept}.json", [*self.names]
        kept = {tuple(map(each.get, self.keys)): each for each in _read(path)}
        fields = {_MACHINE: measured, **asdict(row)}  # type: ignore[call-overload]
        kept[tuple(map(fields.get, self.keys))] = fields
        known = [each for each in kept.values() if each[self.keys[0]] in names]
        ordered = sorted(known, key=lambda each: names.index(each[self.keys[0]]))
        write_text(path, json.dumps(ordered, indent=1) + "\n")
        write_text(root / "docs" / f"{self.page}.md", self.written(root))

    def written(self, root: Path = ROOT) -> str:
        """The page of what is kept."""
        kept = _read(root / "benchmarks" / f"{self.kept}.json")
        places = dict.fromkeys(each.pop(_MACHINE) for each in kept)
        rows = [self.row(**_with_tuples(each)) for each in kept]
        return self.to_markdown(rows, f"Machine: {'; '.join(places)}.")


def _read(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text("utf-8")) if path.exists() else []


def _with_tuples(value: Any) -> Any:
    """``value`` with tuples where JSON has lists."""
    if isinstance(value, Mapping):
        return {key: _with_tuples(each) for key, each in value.items()}
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def machine() -> str:
    """Where it is measured: the processor, and the commit of the program."""
    here = facts()
    return f"{here['processor']}, commit {here['commit']}"


def arguments(about: str, names: Iterable[str]) -> argparse.ArgumentParser:
    """The options of a program with such a table: ``--data`` and ``--only``."""
    parser, known = argparse.ArgumentParser(description=about.splitlines()[0]), [*names]
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--only", nargs="*", choices=known, default=known)
    return parser


def with_seeds(parser: argparse.ArgumentParser, seeds: int = 3) -> argparse.ArgumentParser:
    """``parser`` with ``--seeds``."""
    told = "how many runs of each, from seed 0"
    parser.add_argument("--seeds", type=int, default=seeds, help=told)
    return parser


def spread(values: Sequence[float], form: str = ".3f", form_of_deviation: str = ".3f") -> str:
    """Mean and, of several, standard deviation."""
    deviation = f" ± {stdev(values):{form_of_deviation}}" if len(values) > 1 else ""
    return f"{fmean(values):{form}}{deviation}"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, without a newline at its end."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
