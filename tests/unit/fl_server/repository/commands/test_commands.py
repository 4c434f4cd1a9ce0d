"""``fl-repo``: the how-to's commands in their order, refusals, and two writers at once."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fl_common.components.description import Stage
from fl_server.repository.__main__ import main
from fl_server.repository.build import (
    open_repository,
)
from fl_server.repository.commands.index import COMMANDS
from tests.support import samples
from tests.support.runs import run_of
from tests.support.sources import ROOT

PLAN = replace(
    samples.plan(samples.WINDOW_PRIVACY), task=replace(samples.TASK, name="wearables"), seed=None
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(arguments)
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def failed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command prints that judges, and whose judgment is no."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    return line


def test_a_run_that_was_killed_while_it_made_its_repository_makes_it_again(place: Path) -> None:
    open_repository(None, None, place / "own")
    (place / "own" / "metadata" / "timestamp.json").unlink()
    repository = open_repository(None, None, place / "own")
    assert repository.entries(Stage.TESTING) == []
    assert open_repository(None, None, place / "own").root() == repository.root()


def test_parameters_that_no_component_needs_are_deleted(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(place / "outputs" / "run", PLAN, 1)
    here = ("-r", "outputs/run/repository")
    kept = sorted((place / "outputs/run/repository/parameters").iterdir())
    unneeded = kept[0].with_name(f"{'0' * 64}.npz")
    unneeded.write_bytes(b"")
    said(capsys, "gc", *here)
    assert sorted(unneeded.parent.iterdir()) == kept


def test_a_copy_with_another_version_names_what_it_was_made_from(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(place / "outputs" / "run", PLAN, 1)
    said(capsys, "init")
    copy = ("add", "outputs/run/repository", "--from-repository", "--name", "wearables")
    first = re.findall(r"digest (\w{64})", said(capsys, *copy))
    assert re.findall(r"digest (\w{64})", said(capsys, *copy)) == first, "the same, added again"
    said(capsys, *copy, "--version", "1.0")
    assert re.search(rf"parent +{first[0]}", said(capsys, "show", "wearables"))
    told = said(capsys, "log", "wearables")
    assert told.count(f"Made from {first[0][:12]}.") == 1


def test_a_simulated_model_is_promoted_by_force_alone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_of(place / "outputs" / "run", replace(PLAN, seed=1), 1)
    here = ("-r", "outputs/run/repository")
    assert "no verdict of parity, interface" in refused(capsys, "promote", "wearables", *here)
    checkpoints = ("--checkpoint", "outputs/run/checkpoints")
    told = failed(capsys, "check", "wearables", *checkpoints, *here)
    assert "can't be promoted yet: privacy failed (its noise was seeded" in told
    assert "its epsilon protects nobody" in refused(capsys, "promote", "wearables", *here)
    said(capsys, "promote", "wearables", "--force", "a demo", *here)
    assert "FORCED into production: a demo. It had failed privacy." in said(
        capsys, "log", "wearables", *here
    )


def test_counts_of_the_candidate_alone_are_told_from_none(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = ("-r", "outputs/run/repository")
    run_of(place / "outputs/run", PLAN, 1)
    said(capsys, "promote", "wearables", "--force", "a demo", *here)
    run_of(place / "outputs/next", replace(PLAN, run="other"), 2, place / "outputs/run/repository")
    check = ("check", "wearables", "--gate", "accuracy", *here)
    assert "give --counts FILE" in failed(capsys, *check)
    listed = json.loads(said(capsys, "list", "--json", *here))
    (digest,) = [one["digest"] for one in listed if one["stage"] == "testing"]
    counts = {"candidate": {"digest": digest, "correct": 9, "total": 10, "noise": 0.0}}
    (place / "counts.json").write_text(json.dumps(counts))
    told = failed(capsys, *check, "--counts", "counts.json")
    assert "the counts are of the candidate alone" in told


def test_a_verdict_counts_for_its_digest_and_from_the_gates_key_alone(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init")
    add = ("add", "tool.py", "--kind", "stack", "--name", "tool", "--licence", "MIT")
    (place / "tool.py").write_text("one")
    said(capsys, *add)
    said(capsys, "check", "tool")
    (first,) = (place / "repository" / "verdicts").iterdir()
    (place / "tool.py").write_text("two")
    said(capsys, *add)
    assert "no verdict of size, licence, requires" in refused(capsys, "promote", "tool")
    digest = json.loads(said(capsys, "list", "--json"))[0]["digest"]
    first.rename(first.with_name(digest))  # verdicts about another digest
    assert "no verdict of size, licence, requires" in refused(capsys, "promote", "tool")
    said(capsys, "check", "tool")
    said(capsys, "keys", "--replace", "gates")  # the old key counts no more
    assert "no verdict of size, licence, requires" in refused(capsys, "promote", "tool")
    said(capsys, "check", "tool")
    said(capsys, "promote", "tool")


def test_a_promotion_needs_the_production_key_by_force_too(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init")
    (place / "tool.py").write_text("one")
    said(capsys, "add", "tool.py", "--kind", "stack", "--name", "tool", "--licence", "MIT")
    for key in (place / "repository.keys").glob("production-*"):
        key.unlink()
    assert "production" in refused(capsys, "promote", "tool", "--force", "now")
    assert "tool" not in said(capsys, "list").partition("testing")[2].replace("testing", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list"], "is not a component repository"),
        (["promote"], "required: NAME"),
        (["dance"], "invalid choice"),
        (["add", "nothing", "--name", "a", "--licence", "MIT"], "not there"),
        (["check", "a", "--conf", "nothing.yaml"], "--conf=nothing.yaml"),
    ],
)
def test_bad_input_is_one_line(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_help_has_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"  fl-repo {command}" in capsys.readouterr().out.partition("examples:")[2]


def test_a_share_of_canaries_that_is_none_is_told_in_few_words(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = refused(capsys, "promote", "wearables", "--canary", "200")
    assert "'200' must be a whole number from 1 to 99" in words


@pytest.mark.slow
def test_of_two_writers_one_waits_and_nothing_is_lost(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init")
    writer = (
        "import sys; from fl_server.repository.__main__ import main\n"
        "for n in range(6):\n"
        " open(f'{sys.argv[1]}.py', 'w').write(f'{sys.argv[1]} {n}')\n"
        " main(['add', f'{sys.argv[1]}.py', '--kind', 'stack', '--name', f'{sys.argv[1]}-{n}',"
        " '--licence', 'MIT'])\n"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", writer, name],
            cwd=place,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for name in ("left", "right")
    ]
    for process in both:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    names = [row["name"] for row in json.loads(said(capsys, "list", "--json"))]
    assert sorted(names) == sorted(f"{who}-{n}" for who in ("left", "right") for n in range(6))
    assert "12 components" in said(capsys, "verify")


def test_what_is_not_as_it_was_signed_is_told_by_verify(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said(capsys, "init")
    (place / "tool.py").write_text("one")
    said(capsys, "add", "tool.py", "--kind", "stack", "--name", "tool", "--licence", "MIT")
    assert "1 components" in said(capsys, "verify")
    (kept,) = (path for path in (place / "repository").rglob("*") if _is(path, b"one"))
    kept.write_bytes(b"two")
    with pytest.raises(SystemExit) as ended:
        main(["verify"])
    assert ended.value.code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")


def _is(path: Path, content: bytes) -> bool:
    return path.is_file() and path.read_bytes() == content
