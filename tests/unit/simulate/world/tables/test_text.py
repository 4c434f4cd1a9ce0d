"""CSV of any separator and decimal point: what was written is what is read."""

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulate.world.tables import Kind
from simulate.world.tables.text import read_csv

NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6).map(lambda number: round(number, 4)))
WORDS = st.text("abcdefxyz äß-_.:", min_size=1, max_size=8).map(str.strip).filter(bool)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(NUMBERS, NUMBERS, WORDS), min_size=1, max_size=12),
    separator=st.sampled_from([",", ";", "\t"]),
    has_comma=st.booleans(),
    gap=st.sampled_from(["", "NaN", "null", "?"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(
    tmp_path: Path,
    rows: list[tuple[float | None, float | None, str]],
    separator: str,
    has_comma: bool,
    gap: str,
    end: str,
) -> None:
    def shown(number: float | None) -> str:
        if number is None:
            return gap
        return repr(number).replace(".", ",") if has_comma and separator != "," else repr(number)

    path = tmp_path / "own.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator=end)
        writer.writerow(["ax", "ay", "label"])
        writer.writerows([shown(ax), shown(ay), f"w{word}"] for ax, ay, word in rows)
    table = read_csv(path)
    assert len(table) == len(rows)
    for place, name in enumerate(("ax", "ay")):
        expected = [math.nan if row[place] is None else row[place] for row in rows]
        if table.kind(name) == Kind.OTHER:
            assert all(row[place] is None for row in rows)
            continue
        assert np.array_equal(table.numbers(name), np.array(expected, float), equal_nan=True)
    assert table.words("label").values_N.tolist() == [f"w{word}" for _, _, word in rows]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "x"], Kind.NUMBER),
        (["1", "x", "y"], Kind.TEXT),
        (["", "", ""], Kind.OTHER),
        (["", "", "3"], Kind.NUMBER),
        (["2026-01-01", "2026-01-02", ""], Kind.TEXT),
    ],
)
def test_a_slip_in_a_column_of_numbers_makes_it_no_text(
    tmp_path: Path, cells: list[Any], kind: Kind
) -> None:
    (tmp_path / "own.csv").write_text("\n".join(["a,b", *(f"{cell},1" for cell in cells)]))
    assert read_csv(tmp_path / "own.csv").kind("a") == kind
