"""A program whose reader leaves ends quietly, as others do in a pipe."""

import os
import subprocess
import sys

import pytest

from fl_common.programs.output import READER_LEFT

PROGRAMS = (
    ("simulate", "--help"),
    ("simulate", "--cfg", "job"),
    ("simulate", "audit", "--help"),
    ("simulate", "plugins"),
    ("fl_client", "--help"),
    ("fl_client", "run", "--cfg"),
    ("fl_client", "plugins"),
    ("fl_server", "start", "--help"),
    ("fl_server.repository", "--help"),
)


@pytest.mark.parametrize("words", PROGRAMS, ids=" ".join)
def test_a_program_ends_quietly_when_nobody_reads(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", *words]
    try:
        ended = subprocess.run(
            command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
        )
    finally:
        os.close(writer)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1, READER_LEFT)  # argparse's and rich's own ways to end
