"""Which column is what: plain names are guessed and said, and what is no reading is left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration
from simulate import configure
from simulate.world.arrays import Arrays
from tests.support.own_data import world, world_of

ROWS = 20


def csv(folder: Path, **columns: Sequence[object]) -> Path:
    path = folder / "own.csv"
    lines = [
        ",".join(columns),
        *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True)),
    ]
    path.write_text("\n".join(lines))
    return path


def numbers(seed: int) -> list[float]:
    found: list[float] = np.random.default_rng(seed).normal(size=ROWS).round(3).tolist()
    return found


LABELS = ["sit", "walk"] * 10
PERSONS = ["Ann"] * 10 + ["Bob"] * 10


@pytest.mark.parametrize("label", ["y", "Y", "label", "Target", "class", "activity"])
@pytest.mark.parametrize("site", ["site", "Subject", "subject id", "person-id", "machine", "group"])
def test_plain_names_are_guessed_in_any_case(tmp_path: Path, label: str, site: str) -> None:
    columns: dict[str, Sequence[object]] = {"ax": numbers(0), label: LABELS, site: PERSONS}
    own = world(csv(tmp_path, **columns))
    assert (own.sites, own.task.labels) == (("Ann", "Bob"), ("sit", "walk"))
    assert own.task.channels == ("ax",)
    said = {"y": (), "site": ()}
    assert own.notes == (
        *said.get(label, (f"labels are taken from column {label}",)),
        *said.get(site, (f"sites are taken from column {site}",)),
    )


def test_what_is_declared_is_not_guessed_and_not_said(tmp_path: Path) -> None:
    path = csv(tmp_path, ax=numbers(0), kind=LABELS, who=PERSONS, y=numbers(1), site=numbers(2))
    own = world(path, label="kind", site="who", channels=["ax"])
    assert (own.sites, own.task.labels, own.notes) == (("Ann", "Bob"), ("sit", "walk"), ())


def test_y_is_an_axis_beside_x_where_another_name_is_the_labels(tmp_path: Path) -> None:
    path = csv(tmp_path, x=numbers(0), y=numbers(1), z=numbers(2), label=LABELS, user=PERSONS)
    own = world(path, channels=["x", "y", "z"])
    assert own.task.channels == ("x", "y", "z")
    assert world(path).task.labels == ("sit", "walk")


def test_columns_that_are_no_readings_are_left_out_and_said(tmp_path: Path) -> None:
    path = csv(
        tmp_path,
        **{
            "": range(ROWS),
            "timestamp": [1_700_000_000 + row for row in range(ROWS)],
            "when": [f"2026-01-{row + 1:02d}" for row in range(ROWS)],
            "ax": numbers(0),
            "note": [""] * ROWS,
            "label": LABELS,
            "class": [0, 1] * 10,
            "subject": PERSONS,
            "device": [7] * ROWS,
        },
    )  # fmt: skip
    own = world(path)
    assert own.task.channels == ("ax",)
    assert set(own.notes) == {
        "labels are taken from column label",
        "sites are taken from column subject",
        "left out, as the row's number: (no name)",
        "left out, as stamps of time: timestamp",
        "left out, as not numbers: when",
        "left out, as without a finite number or a text: note",
        "left out, as named like a label or a site: class, device",
    }


def test_numbers_with_such_a_name_that_count_nothing_stay(tmp_path: Path) -> None:
    own = world(csv(tmp_path, index=numbers(0), time=numbers(1), y=LABELS, site=PERSONS))
    assert (own.task.channels, own.notes) == (("index", "time"), ())


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ({"label": "speed"}, "data.label=speed: must be a column of .*, which has ax, y, site"),
        ({"site": "speed"}, "data.site=speed: must be a column"),
        ({"channels": ["speed"]}, "data.channels with 'speed': must be among .*: ax"),
        ({"missing": "guess"}, "data.missing=guess: must be one of refuse, drop, hold"),
    ],
)
def test_a_wrong_declaration_is_told(tmp_path: Path, declared: dict[str, Any], says: str) -> None:
    path = csv(tmp_path, ax=numbers(0), y=LABELS, site=PERSONS)
    with pytest.raises(InvalidConfiguration, match=says):
        world(path, **declared)


def test_a_table_without_a_label_names_the_override(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"with ax, kind: .*data\.label=COLUMN"):
        world(csv(tmp_path, ax=numbers(0), kind=LABELS))


def test_the_configuration_names_columns_and_the_task(tmp_path: Path) -> None:
    path = csv(tmp_path, ax=numbers(0), ay=numbers(1), kind=LABELS, who=PERSONS)
    chosen = ("data.label=kind", "data.site=who", "data.channels=[ay]", "name=gait")
    config = configure("task=arrays", f"data.path={path}", *chosen)
    own = world_of(config)
    assert isinstance(own, Arrays)
    assert (own.task.name, own.task.channels, own.sites) == ("gait", ("ay",), ("Ann", "Bob"))
