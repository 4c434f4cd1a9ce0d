"""Components of WebAssembly: hostile ones fail alone, and what asks for more is refused."""

from pathlib import Path

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import open_function
from tests.support.hand_made import component
from tests.support.hostile_sources import HOSTILE_COMPONENTS
from tests.support.sandboxes import folder_of, limits, predicted
from tests.support.shapes import SHAPED


def function(content: bytes, folder: Path) -> SandboxedFunction:
    given = folder_of(content, form="wasm", file="function.wasm", needs=["emit"])
    return open_function(given, folder)


@pytest.mark.parametrize("name", HOSTILE_COMPONENTS)
def test_what_is_hostile_fails_alone(name: str, tmp_path: Path) -> None:
    body, cause = HOSTILE_COMPONENTS[name]
    one = function(component(body), tmp_path)
    for _ in range(2):
        outcome = one.call(predicted(), {"kept": "1"})
        assert outcome.failure is not None
        assert outcome.failure.cause == cause, outcome.failure
        assert (list(outcome.events), dict(outcome.state)) == ([], {"kept": "1"})
        assert "\n" not in outcome.failure.text
    assert one.instances == {"start": 1, cause: 1}


GROWS = "(memory.grow (i32.const {})) (i32.const -1) i32.eq (if (then unreachable))"


@pytest.mark.parametrize(("pages", "causes"), [(62, []), (65, ["trap"])])
def test_the_memories_of_an_instance_share_what_it_may_use(
    pages: int, causes: list[str], tmp_path: Path
) -> None:
    """It has two, so 8 MB are 64 pages for each, of which one is used at the start."""
    content = component(GROWS.format(pages))
    changes = {"form": "wasm", "file": "function.wasm", "needs": ["emit"]}
    given = folder_of(content, limits=limits(memory_mb=8), **changes)
    failure = open_function(given, tmp_path).call(predicted(), {}).failure
    assert ([failure.cause] if failure is not None else []) == causes


def test_a_good_one_is_called_in_one_instance(tmp_path: Path) -> None:
    one = function(component(""), tmp_path)
    assert [one.call(predicted(), {}).fuel for _ in range(3)] == [22, 22, 22]
    assert one.instances == {"start": 1}
    (code,) = tmp_path.glob("*.machine")
    assert code.stat().st_mode & 0o777 == 0o600


ENVIRONMENT = """(import "wasi:cli/environment@0.2.0" (instance
  (export "get-arguments" (func (result (list string))))))"""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0asm\1\0\0\0", "is no component"),
        (b"", "is no component"),
        (component("")[:-20], "can't be compiled"),
        (component("", more=ENVIRONMENT), "wasi:cli/environment"),
        (component("", memory='(memory (export "memory") 2000)'), "can't be made"),
    ],
)
def test_what_asks_for_more_or_is_none_is_refused(
    content: bytes, words: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=words) as caught:
        function(content, tmp_path)
    assert "\n" not in str(caught.value)


def test_machine_code_that_was_cut_short_is_made_again(tmp_path: Path) -> None:
    function(component(""), tmp_path)
    (code,) = tmp_path.glob("*.machine")
    code.write_bytes(code.read_bytes()[:1000])
    assert function(component(""), tmp_path).call(predicted(), {}).failure is None


def test_it_needs_no_more_than_its_needs_name(tmp_path: Path) -> None:
    given = folder_of(
        component(""), form="wasm", file="function.wasm", needs=[], emits={}, limits=limits()
    )
    with pytest.raises(InvalidData, match="imports what emit stands for"):
        open_function(given, tmp_path)


def test_a_shape_that_imports_anything_is_refused(tmp_path: Path) -> None:
    """It is pure by its type: what it may import is nothing, and it may not ask for more."""
    given = folder_of(component(""), form="wasm", file="function.wasm", **SHAPED)
    with pytest.raises(InvalidData, match=r"imports what emit stands for: has needs: none"):
        open_function(given, tmp_path)
    for need in ("emit", "state", "log", "infer"):
        with pytest.raises(InvalidData, match="needs"):
            folder_of(
                component(""), form="wasm", file="function.wasm", **{**SHAPED, "needs": [need]}
            )
