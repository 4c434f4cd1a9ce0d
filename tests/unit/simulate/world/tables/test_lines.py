"""What is wrong in a CSV is told by its line in the file, and no quote swallows rows."""

from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate.world.tables.text import read_csv
from tests.support.own_data import world

ROWS = [["a", "lie", "5.1", "fine"], ["b", "sit", "5.2", "so so"], ["a", "sit", "5.3", "fine"]] * 4
HEADING = ["site", "label", "volts", "remark"]


def written(folder: Path, rows: list[list[str]], before: str = "", between: str = "\n") -> Path:
    path = folder / "own.csv"
    path.write_text(before + between.join(",".join(row) for row in [HEADING, *rows]) + "\n")
    return path


@pytest.mark.parametrize("row", [0, 5, len(ROWS) - 1])
@pytest.mark.parametrize("column", range(4))
def test_a_quote_that_nothing_closes_swallows_no_row(tmp_path: Path, row: int, column: int) -> None:
    rows = [[*values] for values in ROWS]
    rows[row][column] = '"' + rows[row][column]
    with pytest.raises(InvalidData, match=rf"line {row + 2}: has a quote \(\"\) that nothing"):
        read_csv(written(tmp_path, rows))


@pytest.mark.parametrize("column", [1, 2])
def test_a_quote_that_is_closed_rows_later_makes_no_word_or_number(
    tmp_path: Path, column: int
) -> None:
    rows = [[*values] for values in ROWS]
    rows[3][column], rows[6][column] = f'"{rows[3][column]}', f'{rows[6][column]}"'
    with pytest.raises(InvalidData, match=rf"{HEADING[column]} of line 5, "):
        world(written(tmp_path, rows))


def test_lines_within_quotes_of_another_column_are_said(tmp_path: Path) -> None:
    rows = [[*values] for values in ROWS]
    rows[3][3] = '"first ""one""\nsecond"'
    own = world(written(tmp_path, rows))
    assert "values of remark go over several lines between quotes" in own.notes
    assert sum(len(own.windows(site)) for site in range(2)) + len(own.test().windows) == len(ROWS)


@pytest.mark.parametrize(
    ("before", "between", "lines"),
    [("", "\n", 5), ("", "\r\n", 5), ("\n\n", "\n", 7), ("sep=,\n", "\n", 6), ("", "\n\n", 9)],
)
def test_a_row_is_told_by_its_line_in_the_file(
    tmp_path: Path, before: str, between: str, lines: int
) -> None:
    rows = [[*values] for values in ROWS]
    rows[3][2] = "5.x"
    with pytest.raises(InvalidData, match=f"volts of line {lines}, '5.x'"):
        world(written(tmp_path, rows, before, between))
    rows[3][2] = ""
    with pytest.raises(InvalidData, match=rf"1 of 12 rows \(first: line {lines}\)"):
        world(written(tmp_path, rows, before, between))


def test_in_a_folder_the_line_is_that_of_the_file(tmp_path: Path) -> None:
    for name, value in (("first", "5.0"), ("second", "")):
        rows = [[*values[1:]] for values in ROWS]
        rows[1][1] = value
        text = "\n".join(",".join(row) for row in [HEADING[1:], *rows])
        (tmp_path / f"{name}.csv").write_text(text)
    with pytest.raises(InvalidData, match=r"first: line 3 of second\.csv"):
        world(tmp_path)


@pytest.mark.parametrize("value", ["1e39", "-1e39", "1e400"])
def test_a_number_beyond_float32_is_not_called_missing(tmp_path: Path, value: str) -> None:
    rows = [[*values] for values in ROWS]
    rows[2][2] = value
    with pytest.raises(InvalidData, match=r"volts of line 4, .*must be within 3\.4e\+38"):
        world(written(tmp_path, rows), missing="drop")


def test_a_first_row_that_is_no_heading_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("".join(f"{'ab'[row % 2]},0.{99 - row},-{row}.5\n" for row in range(16)))
    with pytest.raises(InvalidConfiguration, match="if the first line is a row, write a heading"):
        world(path)
    (note,) = [n for n in world(path, 2, label="a").notes if "first line" in n]
    assert "taken for the heading, and 2 of its 3 names are numbers" in note


def test_numbers_that_rise_are_names(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "".join(["label,400.5,401,401.5\n", *(f"{r % 2},1,2,{r}\n" for r in range(20))])
    )
    own = world(path, 2)
    assert own.task.channels == ("400.5", "401", "401.5")
    assert not [note for note in own.notes if "first line" in note]
