"""Every planted fault still applies; ``make mutants`` runs the tests that must find each."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.mutants.plant import Plant
from tests.mutants.plants import PLANTS

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_a_plant_applies_to_the_code_as_it_is(plant: Plant) -> None:
    before = (ROOT / plant.file).read_text()
    assert before.count(plant.text) == 1, f"the text of the plant {plant.name!r} is not there once"
    planted = before.replace(plant.text, plant.instead)
    assert planted != before
    ast.parse(planted)


@pytest.mark.parametrize("plant", PLANTS, ids=[plant.name for plant in PLANTS])
def test_the_tests_of_a_plant_are_there(plant: Plant) -> None:
    for test in plant.tests:
        path, _, name = test.partition("::")
        assert (ROOT / path).exists()
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / path).read_text()


def test_the_names_of_plants_are_unique_and_listed() -> None:
    assert max(Counter(plant.name for plant in PLANTS).values()) == 1
    listed = (ROOT / "tests/README.md").read_text()
    assert [plant.name for plant in PLANTS if f"- {plant.name}\n" not in listed] == []
