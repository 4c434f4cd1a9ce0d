"""The pinned set, with every extra, has wheels for each Python and processor that is promised.

Resolved from the index alone; no large wheel is downloaded. All extras at once hold each of them:
every version is pinned, so a part of them resolves to the same.
"""

import re
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import run
from tests.support.declared import PROJECT
from tests.support.sources import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

PYTHONS = [
    name.rpartition(" ")[2]
    for name in PROJECT["classifiers"]
    if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", name)
]
PROCESSORS = ("aarch64", "x86_64")
BUILT_HERE = "antlr4-python3-runtime"
"""The one package without a wheel: pure Python, of Hydra's."""


def test_the_pythons_that_are_promised_are_those_that_may_install_it() -> None:
    first, last = (int(name.partition(".")[2]) for name in (PYTHONS[0], PYTHONS[-1]))
    assert [f"3.{minor}" for minor in range(first, last + 1)] == PYTHONS
    assert PROJECT["requires-python"] == f">=3.{first},<3.{last + 1}"


def compiling(python: str, processor: str) -> list[str]:
    """The command that finds versions of what has a wheel there."""
    return [
        str(Path(sys.executable).with_name("uv")),
        *("pip", "compile", "--quiet", "--no-config", "--no-header", "--no-annotate"),
        f"--python-version={python}",
        f"--python-platform={processor}-manylinux_2_28",
        "--only-binary=:all:",
        f"--no-binary={BUILT_HERE}",
    ]


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("python", PYTHONS)
def test_every_extra_resolves_to_the_pins(
    tmp_path: Path, wheel: Path, python: str, processor: str
) -> None:
    extras = ",".join(PROJECT["optional-dependencies"])
    wanted, found = tmp_path / "wanted.txt", tmp_path / "found.txt"
    wanted.write_text(f"join-the-dots[{extras}] @ {wheel.as_uri()}\n")
    constraint = f"--constraint={ROOT / 'constraints.txt'}"
    run(*compiling(python, processor), constraint, f"--output-file={found}", wanted)
    lines = found.read_text().splitlines()
    assert any(line.startswith("torch==") for line in lines)
    assert any(line.startswith("ray==") for line in lines)


@pytest.mark.parametrize("processor", PROCESSORS)
@pytest.mark.parametrize("python", PYTHONS)
def test_each_hashed_pin_has_a_file_to_install(tmp_path: Path, python: str, processor: str) -> None:
    """``make setup`` installs all of them, whether or not this Python needs each."""
    hashed, found = ROOT / "hashes.txt", tmp_path / "found.txt"
    run(*compiling(python, processor), "--no-deps", f"--output-file={found}", hashed)
    assert len(found.read_text().splitlines()) == hashed.read_text().count("==")
