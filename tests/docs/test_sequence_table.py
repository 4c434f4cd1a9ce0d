"""The commands of the table of labels of readings, typed with the files of its measurement."""

from pathlib import Path

import pytest

from benchmarks.privacy.sequences import SETS, write_windows
from tests.support.shell import blocks, desk, typed

pytestmark = pytest.mark.long


def test_the_table_of_labels_of_readings(tmp_path: Path, shared_data: Path) -> None:
    """A round of each."""
    (block,) = blocks("docs/sequence-table.md")
    for name in SETS:
        reader = desk(tmp_path / name)
        write_windows(name, shared_data, reader)
        commands = [line for line in block.splitlines() if f"={name}.yaml" in line]
        asked = [f"{line} rounds=1 hydra.run.dir=o/{n}\n" for n, line in enumerate(commands)]
        typed("".join(asked), reader)
        assert len(list(reader.glob("o/*/summary.json"))) == len(commands) == 3
