"""Tables of rows that are kept: each with where it was measured, and a page that says so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy import anomalies, kept, own_data, pretrained, rates, regression, scales
from benchmarks.privacy.kept import KeptTable, spread
from tests.support.sources import ROOT

TABLES = [each.TABLE for each in (anomalies, own_data, pretrained, rates, regression, scales)]


@dataclass(frozen=True)
class Row:
    name: str
    privacy: str
    accuracies: tuple[float, ...]


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    return "\n".join([*(f"{row.name} {row.privacy} {row.accuracies}" for row in rows), measured])


TABLE = KeptTable("rows", "rows-table", ["a", "b"], ("name", "privacy"), Row, to_markdown)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("benchmarks", "docs"):
        (tmp_path / folder).mkdir()
    return tmp_path


def test_a_row_takes_the_place_of_an_earlier_one_and_says_where_it_was_measured(root: Path) -> None:
    TABLE.keep(Row("b", "none", (0.5,)), "x, commit 1", root)
    TABLE.keep(Row("a", "none", (0.1,)), "x, commit 1", root)
    TABLE.keep(Row("a", "window", (0.2, 0.3)), "x, commit 1", root)
    TABLE.keep(Row("a", "none", (0.4,)), "x, commit 2", root)
    assert (root / "docs" / "rows-table.md").read_text().splitlines() == [
        "a none (0.4,)",
        "a window (0.2, 0.3)",
        "b none (0.5,)",
        "Machine: x, commit 2; x, commit 1.",
    ]


def test_what_was_measured_before_a_failure_is_kept(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list[Row]()
    monkeypatch.setattr(kept, "machine", lambda: "here")
    monkeypatch.setattr(KeptTable, "keep", lambda self, row, measured: found.append(row))

    def rows() -> Iterator[Row]:
        yield Row("a", "none", (0.1,))
        raise ProcessFailed("it ended")

    with pytest.raises(SystemExit, match="error: it ended"):
        TABLE.fill(rows(), lambda row: [row.name])
    assert found == [Row("a", "none", (0.1,))]


def test_one_run_has_no_deviation() -> None:
    assert spread([0.5]) == "0.500"
    assert spread([0.8, 0.9], ".3g", ".2g") == "0.85 ± 0.071"


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.page)
def test_a_page_is_what_its_program_writes_of_what_is_kept(table: KeptTable[object]) -> None:
    page = (ROOT / "docs" / f"{table.page}.md").read_text("utf-8")
    assert page == table.written()
