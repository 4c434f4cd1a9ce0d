"""Plant each fault into a copy of the source, and run the tests that must find it.

python -m tests.mutants [NAME ...]    all faults, or those whose names have one of these words

Prints a line for each, and ends with status 1 if a test fails without a plant, if a plant no longer
applies, or if one survives.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import Queue

from tests.mutants.plant import Plant
from tests.mutants.plants import PLANTS

ROOT = Path(__file__).resolve().parents[2]
_COPIES = 2
_FOUND = 1
"""pytest's status where tests have failed; the others mean that it could not run them."""
_TOO_LONG = -1
_SECONDS = 400


def main(names: Sequence[str]) -> int:
    """The exit status."""
    plants = [p for p in PLANTS if not names or any(name in p.name for name in names)]
    with tempfile.TemporaryDirectory() as folder:
        copies = Queue[Path]()
        for number in range(_COPIES):
            copies.put(_copy(Path(folder) / str(number)))
        with ThreadPoolExecutor(_COPIES) as pool:
            healthy = pool.submit(_healthy, plants, copies)
            results = list(pool.map(lambda plant: _result(plant, copies), plants))
        failed = [plant.name for plant, found in zip(plants, results, strict=True) if not found]
        if healthy.result() is False:
            failed.append("a test fails without a plant, see above")
    print(f"{len(plants) - len(failed)} of {len(plants)} faults were found")
    for name in failed:
        print(f"not found: {name}")
    return 1 if failed else 0


def _healthy(plants: Sequence[Plant], copies: "Queue[Path]") -> bool:
    """Whether all the tests pass as things are; else a failure would prove nothing."""
    tests = list(dict.fromkeys(test for plant in plants for test in plant.tests))
    with _taken(copies) as copy:
        status, output = _pytest(copy, tests, "--maxfail=3")
    if status:
        print(output[-3000:])
    return status == 0


def _result(plant: Plant, copies: "Queue[Path]") -> bool:
    """Whether a test failed with the plant; prints its line."""
    began = time.monotonic()
    with _taken(copies) as copy:
        file = copy / plant.file
        before = file.read_text()
        if before.count(plant.text) != 1:
            print(
                f"DOES NOT APPLY  {plant.name}: its text is {before.count(plant.text)} times there"
            )
            return False
        try:
            file.write_text(before.replace(plant.text, plant.instead))
            status = _pytest(copy, plant.tests, "-x")[0]
        finally:
            file.write_text(before)
    word = {0: "SURVIVES", _FOUND: "found"}.get(status, f"pytest ended with {status}")
    print(f"{word:15} {plant.name} ({time.monotonic() - began:.0f} s)", flush=True)
    return status == _FOUND


@contextmanager
def _taken(copies: "Queue[Path]") -> Iterator[Path]:
    copy = copies.get()
    try:
        yield copy
    finally:
        copies.put(copy)


def _copy(folder: Path) -> Path:
    """The tracked and new files of the checkout, and its environment by a link."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    return folder


def _pytest(copy: Path, tests: Sequence[str], *options: str) -> tuple[int, str]:
    """pytest's status and output in a copy; -1 where it takes too long.

    Nothing is compiled, so that a plant and its undoing are both seen.
    """
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(copy)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *tests]
    try:
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return _TOO_LONG, ""
    return done.returncode, done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
