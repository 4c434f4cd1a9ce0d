"""``fl-fn build``: what it asks of whom, and each refusal in one line. See tests/languages, too."""

from pathlib import Path

import pytest

from simulate.functions.__main__ import main
from simulate.functions.building import COMPILERS, JCO

BUILT = b"\0asm as another program has built it"


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A new function in JavaScript."""
    main(["new", str(tmp_path / "fall-alarm"), "--language", "javascript"])
    assert "next: fl-fn build" in capsys.readouterr().out
    return tmp_path / "fall-alarm"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where all programs of the path are: none."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def npx(programs: Path, *lines: str) -> None:
    path = programs / "npx"
    path.write_text("\n".join(("#!/bin/sh", f'echo "$@" > {programs}/asked', *lines)) + "\n")
    path.chmod(0o755)


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a build that is refused, in one line."""
    with pytest.raises(SystemExit) as ended:
        main(["build", str(folder)])
    assert ended.value.code
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_javascript_is_built_by_jco_of_the_version_that_is_pinned(
    folder: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    npx(programs, 'for last; do :; done; printf "\\0asm as another program has built it" > "$last"')
    main(["build", str(folder)])
    assert (folder / "function.wasm").read_bytes() == BUILT
    assert f"--yes {JCO} componentize {folder}/function.js" in (programs / "asked").read_text()
    assert f"{len(BUILT)} bytes\nnext: fl-fn test" in capsys.readouterr().out


def test_python_and_an_installed_class_need_no_build(
    tmp_path: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["new", str(tmp_path / "one")])
    main(["build", str(tmp_path / "one")])
    assert "is in Python, which needs no build" in capsys.readouterr().out
    assert not (tmp_path / "one" / "function.wasm").exists()


def test_a_build_that_fails_says_why_and_leaves_what_was_built_before(
    folder: Path, programs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "function.wasm").write_bytes(b"before")
    npx(programs, "echo fetching jco >&2", "echo 'SyntaxError: odd token' >&2", "exit 1")
    assert "can't be built (SyntaxError: odd token)" in refused(folder, capsys)
    npx(programs, "exit 3")
    assert "can't be built (exit status 3)" in refused(folder, capsys)
    npx(programs, "exit 0")
    assert "built nothing" in refused(folder, capsys)
    assert (folder / "function.wasm").read_bytes() == b"before"


@pytest.mark.usefixtures("programs")
def test_a_tool_that_is_missing_is_named_with_what_installs_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Install Node.js 20 or newer" in refused(folder, capsys)
    (folder / "function.js").rename(folder / "function.c")
    assert f"Run: python -m pip install {' '.join(COMPILERS)}" in refused(folder, capsys)


@pytest.mark.usefixtures("programs")
def test_it_needs_one_source(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "function.c").touch()
    assert "has 2 sources of function.wasm" in refused(folder, capsys)
    for name in ("function.c", "function.js"):
        (folder / name).unlink()
    assert "has 0 sources of function.wasm. Give one: function.js or function.c" in refused(
        folder, capsys
    )
    assert "Make one with: fl-fn new" in refused(folder / "none", capsys)


def test_a_component_that_is_not_built_yet_is_told_by_the_test(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["test", str(folder)])
    assert "Build it with fl-fn build" in capsys.readouterr().err
