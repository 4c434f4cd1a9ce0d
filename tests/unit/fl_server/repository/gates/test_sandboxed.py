"""Gates on functions that run in a sandbox: those of this project, and ones that must not pass."""

import json
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from fl_common.components.description import Component, Kind
from fl_common.errors import InvalidConfiguration
from fl_common.functions.events import Event, Tick
from fl_common.functions.sandbox.outcome import Outcome
from fl_common.functions.trial import Timed, try_function
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.gates.function import describe_function
from fl_server.repository.promotion import promote, required_gates, unmet
from tests.support.nodes import wait_for
from tests.support.open_functions import folder_in
from tests.support.repositories import World
from tests.support.sandboxes import compile_runner, limits
from tests.support.sources import ROOT
from tests.unit.fl_server.repository.gates.test_kinds import CONFIG, failed, judged

SHIPPED = sorted(file.parent.name for file in (ROOT / "functions").glob("*/cases.jsonl"))
IN_GATES = ["source", "imports", "cases", "cost", "same", "latency"]


@pytest.fixture(autouse=True)
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runner's machine code is there, as on a machine that has tried a function before."""
    cache = tmp_path / "cache" / "join-the-dots"
    cache.mkdir(parents=True)
    (cache / "machine-code").symlink_to(compile_runner())
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache.parent))


def added(
    world: World, name: str, change: Callable[[Path], None] = lambda folder: None
) -> Component:
    """A shipped function in testing, with its folder changed before."""
    folder = world.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "functions" / name, folder)
    change(folder)
    files = {path.name: path for path in folder.iterdir()}
    given = {"licence": "MIT", **describe_function(files["function.json"], ())}
    return world.repository().add(Kind.FUNCTION, name, None, files, given)


def test_the_process_of_a_trial_is_shut_in_before_it_runs_anything(tmp_path: Path) -> None:
    """``NoNewPrivs`` and a seccomp filter hold in each of its threads, while it runs."""
    most = {"limits": limits(fuel=10**12, milliseconds=60_000), "on": [{"tick": "*"}]}
    case = {"given": {"tick": {"time_ns": 0}}, "expect": []}
    folder = folder_in(tmp_path / "slow", SLOW, [case], **most)
    with ThreadPoolExecutor() as pool:
        trial = pool.submit(try_function, folder, ChildLimits(120, 1024))
        status = wait_for(shut_in_child, "a child behind its wall")
        done = trial.result()
    assert all("Seccomp:\t2" in one and "NoNewPrivs:\t1" in one for one in status)
    assert (done.failures, done.missing) == (0, [])


SLOW = "def handle(event):\n    sum(range(5_000_000))\n"


def shut_in_child() -> list[str]:
    """The status of each thread of the trial's process, once it has a second one: its ticker."""
    for child in psutil.Process().children():
        with suppress(psutil.Error, OSError):
            tasks = [*Path(f"/proc/{child.pid}/task").iterdir()]
            if "fl_common.functions.trial" in child.cmdline() and len(tasks) > 1:
                return [(task / "status").read_text() for task in tasks]
    return []


def edited(**fields: Any) -> Callable[[Path], None]:
    """Changes fields of function.json."""

    def change(folder: Path) -> None:
        file = folder / "function.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))

    return change


def rewritten(before: str, after: str) -> Callable[[Path], None]:
    """Changes the source text."""

    def change(folder: Path) -> None:
        text = (folder / "function.py").read_text()
        assert before in text
        (folder / "function.py").write_text(text.replace(before, after))

    return change


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_function_passes_every_gate(world: World, name: str) -> None:
    component = added(world, name)
    required = required_gates(world.repository(), component, CONFIG["gates"])
    assert {*IN_GATES} <= {*required}
    assert failed(world, component) == set()
    assert promote(world.repository(), Kind.FUNCTION, name, None, required) == component


class Waits:
    """A function that is kept waiting for a second, as by other processes."""

    def call(self, event: Event, state: Any, model: Any) -> Outcome:
        time.sleep(1)
        return Outcome((), state, (), None, 0, 1.0)


def test_what_a_call_waits_for_a_processor_is_no_part_of_its_latency() -> None:
    waited = Timed(Waits()).call(Tick(0), {})
    assert 0 < waited.seconds < 0.5


def test_each_shipped_function_is_on_the_page() -> None:
    page = (ROOT / "docs/reference/shipped-functions.md").read_text("utf-8")
    assert [line[3:] for line in page.splitlines() if line.startswith("## ")] == [
        line.split("`")[1] for line in page.splitlines() if line.startswith("| [`")
    ]
    assert all(f"## {name}\n" in page for name in SHIPPED)


def test_one_that_finds_something_else_fails_its_cases_and_says_where(world: World) -> None:
    component = added(world, "threshold-alarm", rewritten("seen + 1", "seen + 2"))
    verdicts = judged(world, component)
    assert {gate for gate, one in verdicts.items() if not one.passed} == {"cases"}
    assert "4 of 14 cases differ: line 4 gave ['alarm-raised']" in verdicts["cases"].detail
    required = required_gates(world.repository(), component, CONFIG["gates"])
    with pytest.raises(InvalidConfiguration, match="cases failed"):
        promote(world.repository(), Kind.FUNCTION, component.name, None, required)


def test_one_that_costs_nearly_all_its_fuel_fails(world: World) -> None:
    component = added(
        world, "range", rewritten("    value = ", "    sum(range(20_000))\n    value = ")
    )
    assert failed(world, component) == {"cost"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (rewritten("def handle(event):", "def handle(event)"), "SyntaxError: expected ':'"),
        (
            rewritten("def handle(event):", "import socket\n\n\ndef handle(event):"),
            "no module socket",
        ),
        (rewritten("def handle(event):", "while True: pass\n\n\ndef handle(event):"), "fuel"),
        (lambda folder: (folder / "cases.jsonl").unlink(), "can't be read"),
        (lambda folder: (folder / "cases.jsonl").write_text("{}\n"), "what is given"),
    ],
    ids=["syntax", "import", "endless", "no-cases", "bad-case"],
)
def test_one_that_can_not_be_tried_passes_none_of_them_and_says_why(
    world: World, change: Callable[[Path], None], words: str
) -> None:
    verdicts = judged(world, added(world, "range", change))
    unfit = {gate: one for gate, one in verdicts.items() if not one.passed}
    assert {*unfit} == {*IN_GATES}
    assert all(words in one.detail for one in unfit.values())
    reasons = unmet(verdicts, IN_GATES)
    assert [reason.partition(" failed (")[0] for reason in reasons] == [
        "source, imports, cases, cost, same", "latency"
    ]  # fmt: skip
    assert not any("fl-repo-" in reason for reason in reasons)


def test_other_kinds_of_events_than_productions_need_a_migration(world: World) -> None:
    promote(world.repository(), Kind.FUNCTION, added(world, "range").name, None, (), "the first")
    emits = json.loads((ROOT / "functions/range/function.json").read_text())["emits"]
    component = added(world, "range", edited(emits={**emits, "more": {"type": "object"}}))
    assert failed(world, component) == {"interface"}
