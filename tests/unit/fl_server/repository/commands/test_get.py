"""``fl-repo get``: a stack's files come out as they were signed, all of them or none."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from fl_server.repository.__main__ import main
from tests.support.repositories import Quiet, serving

FILES = {"compose.yaml": "services: {}\n", "broker/mosquitto.conf": "listener 1883\n"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a stack in production."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name, text in FILES.items():
        file = tmp_path / "stacks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    main(["init"])
    main(["add", "stacks", "--kind", "stack", "--name", "federation", "--licence", "MIT"])
    main(["check", "federation"])
    main(["promote", "federation"])
    return tmp_path


@pytest.fixture
def address(place: Path) -> Iterator[str]:
    with serving(partial(Quiet, directory=str(place / "repository"))) as address:
        yield address


def files_in(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }


def refused(capsys: pytest.CaptureFixture[str], status: int, *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["get", *arguments])
    assert ended.value.code == status
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_a_stack_comes_from_the_folder_and_over_http(place: Path, address: str) -> None:
    main(["get", "federation", "--to", "here/deployment"])
    assert files_in(place / "here/deployment") == FILES
    root = "repository/metadata/1.root.json"
    main(["get", "federation", "--to", "there", "--url", address, "--root", root, "-r", "none"])
    assert files_in(place / "there") == FILES
    assert not list(place.glob(".fl-repo-*")), "nothing else is left"


def test_content_that_was_altered_on_the_server_is_refused_and_nothing_is_left(
    place: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = next(
        path
        for path in (place / "repository/targets/content").iterdir()
        if path.read_text().startswith("listener")
    )
    content.write_text("listener 1884\n")
    where = ("--url", address, "--root", "repository/metadata/1.root.json")
    assert "broker/mosquitto.conf" in refused(capsys, 1, "federation", "--to", "there", *where)
    assert not (place / "there").exists()


def test_what_is_not_right_is_refused_in_one_line(
    place: Path, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("federation", "--to", "there")
    assert "needs a root to trust" in refused(capsys, 2, *given, "--url", address)
    assert "root.json" in refused(capsys, 2, *given, "--url", address, "--root", "no/root.json")
    assert "not 00" in refused(capsys, 1, *given, "--digest", "00")
    assert "is not in production" in refused(capsys, 2, "other", "--to", "there")
    assert "is there already" in refused(capsys, 2, "federation", "--to", "stacks")
    assert not (place / "there").exists()
    assert files_in(place / "stacks") == FILES
