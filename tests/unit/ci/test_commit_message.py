import re
import subprocess
from pathlib import Path

import pytest

from tests.support.sources import ROOT

SCRIPT = ROOT / ".ci" / "commit-message"


def _checked(*arguments: str, where: Path = ROOT) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=where, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        ("", "must not be empty"),
        ("# only git's own comment\n\n", "must not be empty"),
        ("A" * 73, "at most 72 characters, not 73"),
        ("Add a decoder.", "full stop"),
        ("add a decoder", "capital letter"),
    ],
)
def test_a_bad_subject_is_refused_by_its_rule(message: str, rule: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_text(message)
    ended = _checked(str(tmp_path / "message"))
    assert ended.returncode == 1
    assert rule in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "message", ["Ä" * 72, "Add a decoder\n\nWhy. " + "x" * 100, "# comment\n\nAdd a decoder\n"]
)
def test_a_good_subject_is_accepted(message: str, tmp_path: Path) -> None:
    (tmp_path / "message").write_text(message)
    ended = _checked(str(tmp_path / "message"))
    assert (ended.returncode, ended.stderr) == (0, "")


def test_every_commit_of_a_range_is_checked(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "--quiet")
    for subject in ("Begin", "add what is wrong", "Add what is right"):
        git("commit", "--quiet", "--allow-empty", "--message", subject)
    assert _checked("--range", "HEAD~1..HEAD", where=tmp_path).returncode == 0
    ended = _checked("--range", "HEAD~2..HEAD", where=tmp_path)
    assert ended.returncode == 1
    assert "add what is wrong" in ended.stderr


def test_without_a_message_the_usage_is_shown() -> None:
    ended = _checked()
    assert ended.returncode == 2
    assert "usage" in ended.stderr


def test_the_hooks_run_what_make_lint_runs() -> None:
    made = subprocess.run(
        ["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    hooks = re.findall(r"entry: (.+)", (ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    lint = [line for line in made.stdout.splitlines() if line.startswith(".venv/bin/")]
    assert hooks == [*lint, ".ci/commit-message"]
