"""The words of the command line: options, overrides and the command, in any order."""

import subprocess
import sys
from itertools import permutations

import pytest

from simulate.__main__ import _sorted_words
from tests.support.sources import ROOT


@pytest.mark.parametrize(
    ("words", "options", "others"),
    [
        ("a=1 --multirun b=1,2", "--multirun", "a=1 b=1,2"),
        ("a=1 --cfg job b=2 -p net c=3", "--cfg job -p net", "a=1 b=2 c=3"),
        ("--config-dir here=there ~a audit", "--config-dir here=there", "~a audit"),
        ("a=-1 --cfg=job", "--cfg=job", "a=-1"),
        ("a=1 --cfg", "--cfg", "a=1"),
        ("", "", ""),
    ],
)
def test_options_take_their_values_and_leave_the_rest_in_order(
    words: str, options: str, others: str
) -> None:
    assert _sorted_words(words.split()) == (options.split(), others.split())


@pytest.mark.parametrize(
    "words", list(permutations(["audit", "--cfg job", "rounds=7"])), ids=" ".join
)
def test_every_order_means_the_same(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "simulate", *" ".join(words).split()]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "rounds: 7\n" in ended.stdout
    assert "canaries:" in ended.stdout
