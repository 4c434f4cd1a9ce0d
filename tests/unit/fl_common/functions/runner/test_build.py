"""The runner: the pinned bytes, in any folder; and what is said where it is missing."""

import hashlib
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.functions import runner
from fl_common.functions.runner.build import build, remnants_of
from fl_common.functions.sandbox.program import imports_of
from tests.support.sandboxes import function_in_python


def test_what_is_here_is_what_is_pinned() -> None:
    content = runner.runner_content()
    assert hashlib.sha256(content).hexdigest() == runner.pin().sha256
    assert len(content) == runner.pin().bytes < 20_000_000


@pytest.mark.long
def test_a_build_gives_the_pinned_bytes() -> None:
    assert hashlib.sha256(build()).hexdigest() == runner.pin().sha256


def test_what_differs_between_builds_is_found() -> None:
    assert remnants_of(b"abcdef", [b"abXdeY", b"abYYef"]) == [(2, 2), (5, 1)]
    with pytest.raises(InvalidConfiguration, match="from build to build"):
        remnants_of(b"abc", [b"ab"])


def test_without_it_the_command_that_builds_it_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    runner.runner_content.cache_clear()
    monkeypatch.setattr(runner, "RUNNER", tmp_path / "none.wasm")
    with pytest.raises(InvalidConfiguration, match="make function-runner"):
        runner.runner_content()
    runner.runner_content.cache_clear()


@pytest.mark.long
def test_it_asks_for_the_contract_and_nothing_of_wasi() -> None:
    program = function_in_python("def handle(event): pass").program
    names = [name.partition("/")[2].partition("@")[0] for name in imports_of(program.component)]
    assert sorted(names) == ["events", "logs", "model", "state", "types", "watching"]
