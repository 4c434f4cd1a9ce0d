"""The pages about ``python -m simulate``, typed into a shell: a small run of each command."""

from pathlib import Path

import pytest

from tests.support.shell import blocks, desk, indented, typed

OUTPUTS = "outputs/<date>/<time>"
SMALL = "rounds=1 sites=2 net=logistic"
pytestmark = [pytest.mark.long, pytest.mark.slow]


def listed(page: str, words: str) -> list[str]:
    """The page's commands with ``words``; those of ``task=activity`` need a download."""
    fenced = [line for block in blocks(page, "sh") for line in block.splitlines()]
    shown = [line.partition(" #")[0].strip() for line in fenced]
    shown += [line for block in indented(page) for line in block]
    return [line for line in shown if words in line and "task=activity" not in line]


def test_the_page_of_runs(tmp_path: Path) -> None:
    """A sweep of two by one, its member and another run resumed, and a file that is not there."""
    sweep, resume, member, missing, slow = listed("runs", "simulate")
    assert "privacy.epsilon=2,4,8 seed=0,1,2" in sweep
    sweep = sweep.replace("2,4,8", "2,4").replace("0,1,2", "0")
    folder = "net=logistic,privacy.epsilon=2,rounds=1,seed=0,sites=2"
    shown = typed(
        "\n".join([
            f"{sweep} {SMALL} hydra.sweep.dir=outputs/sweep",
            member.replace(OUTPUTS, "outputs/sweep").replace("privacy.epsilon=2,seed=0", folder),
            f"{slow} rounds=2 net=logistic hydra.run.dir=outputs/slow",
            resume.replace(OUTPUTS, "outputs/slow"),
            f"{missing} || test $? = 2",
        ]),
        desk(tmp_path / "reader"),
    )  # fmt: skip
    member_rows = (tmp_path / "reader/outputs/sweep" / folder / "rounds.jsonl").read_text()
    assert len(member_rows.splitlines()) == 1
    assert (tmp_path / "reader/outputs/sweep" / folder.replace("=2,r", "=4,r")).is_dir()
    assert "not there yet, run=3.csv" in shown.splitlines()[-1]


def test_the_page_of_the_audit(tmp_path: Path) -> None:
    commands = [f"{line} rounds=1 audit.canaries=50" for line in listed("audit", "simulate audit")]
    assert len(commands) == 3
    shown = typed("\n".join(commands), desk(tmp_path / "reader"))
    assert shown.count("direct tests of the mechanism agree with the plan.") == 2, shown


def test_the_page_of_what_leaves_a_site(tmp_path: Path) -> None:
    """Without privacy, words of refusals leave: a finding, as the page says."""
    clean, found = [f"{line} rounds=1 sites=6" for line in listed("egress", "simulate egress")]
    shown = typed(f"{clean}\n{found} || test $? = 1\n", desk(tmp_path / "reader"))
    assert shown.count("Clean: no sentinel and nothing undeclared in ") == 1, shown
    assert shown.count("FOUND: 4 of 36 messages") == 1, shown


def test_the_page_of_evaluation_on_the_sites(tmp_path: Path) -> None:
    commands = [f"{line} {SMALL}" for line in listed("evaluate-on-sites", "simulate")]
    assert len(commands) == 2
    shown = typed("\n".join(commands), desk(tmp_path / "reader"))
    assert shown.count("\non sites ") == 2, shown
    assert "of 4; " in " ".join(shown.split()), shown
