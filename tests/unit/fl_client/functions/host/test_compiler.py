"""Machine code on a box: what was altered is not run, and made anew."""

from pathlib import Path

import pytest

from fl_client.functions.host import SandboxedSource
from fl_client.functions.host import compiler as module
from fl_client.functions.host.compiler import Compiler
from fl_common.files.whole import sha256_of

WHOLE = b"machine code" * 100


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxedSource:
    """A component, which is not really compiled."""
    path = tmp_path / "function.wasm"
    path.write_bytes(b"a component")
    monkeypatch.setattr(module, "run_confined", lambda *_: WHOLE)
    return SandboxedSource("x", {}, None, path, sha256_of(path))


@pytest.mark.parametrize(
    "altered",
    [WHOLE[:50], b"", WHOLE[:-1] + b"!", None],
    ids=["cut short", "empty", "of the same size", "gone"],
)
def test_what_was_altered_is_made_anew(
    altered: bytes | None, source: SandboxedSource, tmp_path: Path
) -> None:
    path = Compiler(tmp_path).machine_code(source)
    for compiler in (Compiler(tmp_path), Compiler(tmp_path)):
        assert compiler.has(source)
        path.unlink()
        if altered is not None:
            path.write_bytes(altered)
        assert not compiler.has(source)
        assert compiler.machine_code(source).read_bytes() == WHOLE


def test_machine_code_is_read_for_its_owner_alone(source: SandboxedSource, tmp_path: Path) -> None:
    path = Compiler(tmp_path).machine_code(source)
    assert {one.stat().st_mode & 0o777 for one in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
