"""The commands of the table of models of numbers, typed with the files of its measurement."""

from pathlib import Path

import pytest

from benchmarks.privacy.regression import SETS
from tests.support.shell import blocks, desk, typed

pytestmark = pytest.mark.long


def test_the_table_of_models_of_numbers(tmp_path: Path) -> None:
    """A round of each."""
    reader = desk(tmp_path / "reader")
    for name, numbers in SETS.items():
        numbers.write(reader / f"{name}.npz")
    (block,) = blocks("docs/numbers-table.md")
    commands = block.splitlines()
    asked = [f"{line} rounds=1 hydra.run.dir=o/{n}\n" for n, line in enumerate(commands)]
    typed("".join(asked), reader)
    assert len(list(reader.glob("o/*/summary.json"))) == len(commands) == len(SETS)
