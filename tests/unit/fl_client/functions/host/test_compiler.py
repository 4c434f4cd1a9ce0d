"""Machine code on a box: what was altered is not run, and made anew."""

import resource
from pathlib import Path

import psutil
import pytest

from fl_client.functions.host import SandboxedSource
from fl_client.functions.host import compiler as module
from fl_client.functions.host.compiler import Compiler
from fl_common.errors import InvalidData
from fl_common.files.whole import sha256_of
from tests.support.hand_made import core_of_one_function

WHOLE = b"machine code" * 100


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxedSource:
    """A component, which is not really compiled."""
    path = tmp_path / "function.wasm"
    path.write_bytes(b"a component")
    monkeypatch.setattr(module, "compile_apart", lambda *_: WHOLE)
    return SandboxedSource("x", {}, None, path, sha256_of(path))


@pytest.mark.parametrize(
    "altered",
    [WHOLE[:50], b"", WHOLE[:-1] + b"!", None],
    ids=["cut short", "empty", "of the same size", "gone"],
)
def test_what_was_altered_is_made_anew(
    altered: bytes | None, source: SandboxedSource, tmp_path: Path
) -> None:
    path = Compiler(tmp_path, 256).machine_code(source)
    for compiler in (Compiler(tmp_path, 256), Compiler(tmp_path, 256)):
        assert compiler.has(source)
        path.unlink()
        if altered is not None:
            path.write_bytes(altered)
        assert not compiler.has(source)
        assert compiler.machine_code(source).read_bytes() == WHOLE


def test_what_can_not_be_compiled_is_not_tried_again_for_ten_minutes(
    source: SandboxedSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried, clock = [], iter((0.0, 1.0, 599.0, 600.0, 600.0, 601.0))

    def bomb(*_: object) -> bytes:
        tried.append(1)
        raise InvalidData("the component", "did not end within 120 s", "Publish another")

    monkeypatch.setattr(module, "compile_apart", bomb)
    compiler = Compiler(tmp_path, 256, lambda: next(clock))
    counts = []
    for _ in range(5):
        with pytest.raises(InvalidData, match="120 s"):
            compiler.machine_code(source)
        counts.append(len(tried))
    assert counts == [1, 1, 1, 2, 2]


def test_a_bomb_ends_with_its_process_and_within_what_is_granted(tmp_path: Path) -> None:
    body = b"\x20\x00\x41\x01\x6a\x21\x00" * (1 << 20)  # x = x + 1, a million times
    path = tmp_path / "function.wasm"
    path.write_bytes(core_of_one_function(body))
    before = psutil.Process().memory_info().rss
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with pytest.raises(InvalidData, match="it had 512 MB of memory"):
        Compiler(tmp_path, 128).machine_code(SandboxedSource("x", {}, None, path, sha256_of(path)))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < 120
    assert psutil.Process().memory_info().rss - before < 100 << 20
    assert not [*tmp_path.rglob("*.machine")]


def test_machine_code_is_read_for_its_owner_alone(source: SandboxedSource, tmp_path: Path) -> None:
    path = Compiler(tmp_path, 256).machine_code(source)
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
