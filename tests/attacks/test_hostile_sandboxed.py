"""Hostile source text and components beside a good function, as the kernel sees them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from fl_client.functions.host.compiler import MACHINE_CODE
from fl_common.functions.sandbox.program import program_of
from tests.support.hand_made import component
from tests.support.hostile_run import ROUNDS
from tests.support.hostile_sources import HOSTILE, HOSTILE_COMPONENTS, hostile_source
from tests.support.open_functions import folder_in
from tests.support.sandboxes import compile_runner, fields_of, limits
from tests.support.traced import trace

GOOD = """
def handle(event):
    put("seen", get("seen", 0) + 1)
    emit("found", {"seen": get("seen")})
"""
SOURCES = (
    "endless loop", "recursion", "a gigabyte", "a million events", "ten megabytes to remember",
    "deeper JSON", "NaN", "a file, by force", "a socket", "the clock, by force", "a process",
    "exit, by force", "much printed",
)  # fmt: skip
COMPONENTS = ("a gigabyte", "endless loop", "a string beyond its memory")
LONG = limits(milliseconds=20_000)
_ANSWERS = ("sendto(", "<... sendto")
"""To the node's process, by the one socket that it has."""


def box(folder: Path) -> list[str]:
    """A box with these functions, compiled; the names of those that are hostile."""
    code, places = folder / "site" / MACHINE_CODE, folder / "functions"
    shutil.copytree(compile_runner(), code)
    names = []
    for name in SOURCES:
        names.append(name)
        folder_in(places / name, hostile_source(name), limits=LONG)
    for name in COMPONENTS:
        names.append(f"{name} in WebAssembly")
        content = component(HOSTILE_COMPONENTS[name][0])
        program_of(content, code)
        place = places / names[-1]
        place.mkdir(parents=True)
        (place / "function.wasm").write_bytes(content)
        given = fields_of(form="wasm", file="function.wasm", needs=["emit"], limits=LONG)
        (place / "function.json").write_text(json.dumps(given))
    folder_in(places / "good", GOOD, limits=LONG)
    assert {*SOURCES} <= HOSTILE.keys()
    return sorted(names)


@pytest.mark.long
def test_the_process_opens_and_connects_nothing_and_a_good_function_loses_nothing(
    tmp_path: Path,
) -> None:
    hostile = box(tmp_path)
    command = (sys.executable, "-m", "tests.support.hostile_run", str(tmp_path))
    traced = trace(command, tmp_path / "traced")
    assert traced.status == 0, traced.said
    said = json.loads(traced.said.splitlines()[-1])
    assert said["failed"] == hostile
    assert said["told"] == list(range(2, ROUNDS + 2))
    assert said["starts"] == {"first": 1}, "no call ended the process that all share"
    lines = (tmp_path / "traced" / "trace.log").read_text(errors="replace").splitlines()
    begins, ends = (
        next(n for n, line in enumerate(lines) if f'/{word}"' in line)
        for word in ("begins", "ends")
    )
    calls = [line.split(None, 1) for line in lines[begins:ends]]
    theirs = [call for thread, call in calls if thread in said["threads"]]
    assert len(theirs) >= ROUNDS * (len(hostile) + 1), "it answered, and so was traced"
    assert [call for call in theirs if not call.startswith(_ANSWERS)] == []
