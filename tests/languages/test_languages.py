"""One rule in Python, JavaScript and C: the same bytes from all. ``make function-languages``."""

import json

import numpy as np
import pytest

from fl_common.functions.events import Predicted
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import open_function
from fl_common.functions.sandbox.program import imports_of, needs_of
from tests.support.languages import SOURCES, components
from tests.support.sandboxes import compile_runner, folder_of

SETTINGS = {"label": "walk"}


@pytest.fixture(scope="module")
def built() -> dict[str, bytes]:
    return components()


def function(content: bytes, form: str, needs: list[str]) -> SandboxedFunction:
    file = "function.py" if form == "python" else "function.wasm"
    folder = folder_of(content, form=form, file=file, settings=SETTINGS, needs=needs)
    return open_function(folder, compile_runner())


def events() -> list[Predicted]:
    generator = np.random.default_rng(3)
    shares = generator.random(500, dtype=np.float32)
    return [
        Predicted(
            n, n + 1, ("walk", "rest"), (float(share), float(np.float32(1) - share)),
            stream="hall" if n % 3 else "",
        )
        for n, share in enumerate(shares)
    ]  # fmt: skip


def told(one: SandboxedFunction) -> tuple[str, dict[str, str]]:
    """All that a function tells of the events, as JSON, and what it remembers in the end."""
    lines: list[object] = []
    state: dict[str, str] = {}
    for event in events():
        outcome = one.call(event, state)
        assert outcome.failure is None, outcome.failure
        state = dict(outcome.state)
        lines += [[found.kind, found.data] for found in outcome.events]
    return json.dumps(lines), state


def test_three_languages_give_the_same_bytes(built: dict[str, bytes]) -> None:
    source = (SOURCES / "rule.py.txt").read_bytes()
    python = told(function(source, "python", ["emit", "state"]))
    assert python[0].count("found") > 200
    assert python[1] == {"seen": "500"}
    assert told(function(built["JavaScript"], "wasm", ["emit", "state", "log"])) == python
    assert told(function(built["C"], "wasm", ["emit", "state"])) == python


def test_the_wall_can_be_read_off(built: dict[str, bytes]) -> None:
    for language, needs in (("JavaScript", ["emit", "log", "state"]), ("C", ["emit", "state"])):
        one = function(built[language], "wasm", needs)
        assert sorted(needs_of(one.program.component)) == needs
        names = imports_of(one.program.component)
        assert all(name.startswith("jointhedots:function/") for name in names)


def test_a_component_that_imports_more_than_it_needs_is_refused(built: dict[str, bytes]) -> None:
    with pytest.raises(Exception, match="imports what state stands for"):
        function(built["C"], "wasm", ["emit"])


def test_its_size_is_as_is_told(built: dict[str, bytes]) -> None:
    assert len(built["C"]) < 20_000
    assert len(built["JavaScript"]) < 2_000_000
