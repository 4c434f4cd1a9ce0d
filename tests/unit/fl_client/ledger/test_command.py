"""``fl-client ledger``: what it shows, for people and machines, and what it refuses."""

import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.__main__ import main
from fl_client.ledger.counter import counter_beside
from fl_client.ledger.ledger import Charge, Ledger
from fl_common.privacy.accounting import ACCOUNTANTS, epsilon_of, epsilon_of_group
from fl_common.privacy.window_level import WindowPrivacyPlan
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import ROOT

SPEND = WINDOW_PRIVACY.spend_per_round
PLAIN = replace(WINDOW_PRIVACY, unit="window", windows_per_reading=1, epsilon_limit=50.0)


def charge(
    round_: int,
    *blocks: str,
    site: str = "anna",
    run: str = "5e62ab1277",
    privacy: WindowPrivacyPlan = PLAIN,
) -> Charge:
    return Charge(site, run, round_, run, privacy, blocks, False)


def written(path: Path, *charges: Charge, owner: str = "anna") -> Path:
    with closing(Ledger(path, lambda: 1_800_000_000.0, owner)) as ledger:
        for one in charges:
            assert isinstance(ledger.debit([one])[0], tuple)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Two blocks over two runs: rounds 1 to 3 and 5, and round 1 twice."""
    day, next_day = "2026-01-30", "2026-01-31"
    charges = [charge(round_, day) for round_ in (1, 2, 3)] + [charge(5, day, next_day)]
    later = [charge(1, next_day, run="77aa")] * 2
    return written(tmp_path / "ledger.sqlite", *charges, *later)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    main(["ledger", *arguments])
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def test_table_has_block_spent_left_and_rounds(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    head, first, second, second_run, what = shown(capsys, "--home", str(path))
    spent = [epsilon_of([SPEND] * rounds, 1e-5, "rdp") for rounds in (4, 3)]
    assert head.split() == ["block", "spent", "left", "of", "run:", "rounds"]
    assert first.split() == [
        "2026-01-30", f"{spent[0]:.3f}", f"{50 - spent[0]:.3f}", "50", "5e62ab12:",
        "1-3,", "5",
    ]  # fmt: skip
    assert second.split()[:2] == ["2026-01-31", f"{spent[1]:.3f}"]
    assert second.split()[-2:] == ["5e62ab12:", "5"]
    assert second_run.strip() == "77aa: 1 and 1 repeated"
    assert "each window at delta 1e-05" in what
    assert ACCOUNTANTS["rdp"] in what


def test_json_has_every_block(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    document = json.loads("\n".join(shown(capsys, "--home", str(path), "--json")))
    assert (document["owner"], document["notes"]) == ("anna", [])
    first, second = document["blocks"]
    assert first["spent"] == pytest.approx(epsilon_of([SPEND] * 4, 1e-5, "rdp"))
    assert first["spent"] + first["left"] == pytest.approx(50)
    assert first["rounds"] == {"5e62ab1277": [1, 2, 3, 5]}
    assert second["rounds"] == {"5e62ab1277": [5], "77aa": [1, 1]}
    assert (second["unit"], second["accountant"]) == ("window", "rdp")


def test_readings_that_windows_share_are_shown_beside_windows(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    privacy = replace(PLAIN, unit="reading", windows_per_reading=2, epsilon_limit=100.0)
    path = written(tmp_path / "ledger.sqlite", charge(1, "monday", privacy=privacy))
    head, row, what = shown(capsys, "--home", str(path))
    window = epsilon_of([SPEND], 1e-5, "rdp")
    reading = epsilon_of_group([SPEND], 2, 1e-5, "rdp")
    assert head.split("of")[1].split() == ["per", "window", "per", "reading", "run:", "rounds"]
    assert row.split()[1:6] == [
        f"{reading:.3f}", f"{100 - reading:.3f}", "100", f"{window:.3f}", f"{reading:.3f}"
    ]  # fmt: skip
    assert "each reading" in what
    assert "up to 2 windows" in what


def test_limit_is_that_of_the_last_plan(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tight = replace(PLAIN, epsilon_limit=8.0)
    charges = [charge(1, "monday"), charge(1, "monday", run="b", privacy=tight)]
    path = written(tmp_path / "ledger.sqlite", *charges)
    row = shown(capsys, "--home", str(path))[1]
    spent = epsilon_of([SPEND] * 2, 1e-5, "rdp")
    assert row.split()[1:4] == [f"{spent:.3f}", f"{8 - spent:.3f}", "8"]


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    charges = [
        charge(round_, "mon", "tue", site=f"site-{number}")
        for number in range(3)
        for round_ in range(1, 2 + number)
    ]
    folder = tmp_path / "outputs"
    folder.mkdir()
    written(folder / "ledger.sqlite", *charges, owner="fleet")
    return folder


def test_fleet_has_a_line_a_site_and_its_folder_will_do(
    capsys: pytest.CaptureFixture[str], fleet: Path
) -> None:
    head, *rows, _, hint = shown(capsys, "--home", str(fleet))
    assert head.split()[:2] == ["site", "blocks"]
    assert [row.split()[:2] for row in rows] == [[f"site-{n}", "2"] for n in range(3)]
    assert [row.split()[-1] for row in rows] == ["1", "2", "3"]
    assert "--site NAME" in hint
    blocks = shown(capsys, "--home", str(fleet), "--site", "site-1")[1:-1]
    assert [row.split()[0] for row in blocks] == ["mon", "tue"]


def test_ledger_without_charges(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = written(tmp_path / "ledger.sqlite")
    assert shown(capsys, "--home", str(path)) == ["The ledger of anna has no charges."]
    assert "no charge" in refused(capsys, "ledger", "--home", str(path), "--site", "anna")


def test_adopting_is_a_command_and_is_shown_ever_after(
    capsys: pytest.CaptureFixture[str], path: Path
) -> None:
    counter_beside(path).unlink()
    assert "fl-client ledger adopt" in refused(capsys, "ledger", "--home", str(path))
    assert "counter was missing" in shown(capsys, "adopt", "--home", str(path))[0]
    assert "counter was made anew" in shown(capsys, "--home", str(path))[-1]
    assert "needs no new counter" in shown(capsys, "adopt", "--home", str(path))[0]


def test_counter_in_another_place_is_named(
    capsys: pytest.CaptureFixture[str], path: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "usb" / "anna"
    elsewhere.parent.mkdir()
    counter_beside(path).rename(elsewhere)
    assert "missing" in refused(capsys, "ledger", "--home", str(path))
    assert shown(capsys, "--home", str(path), "--counter", str(elsewhere))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty, so it was cut off"),
        ("no database, but long enough to be read as one\n" * 100, "not a privacy ledger"),
    ],
)
def test_file_that_is_no_ledger_is_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, match: str
) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text(text)
    for action in ((), ("adopt",)):
        assert match in refused(capsys, "ledger", *action, "--home", str(path))


def test_wrong_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], path: Path, tmp_path: Path
) -> None:
    assert "is not there" in refused(capsys, "ledger", "--home", str(tmp_path / "nowhere"))
    assert "has no ledger.sqlite" in refused(capsys, "ledger", "--home", str(tmp_path.parent))
    assert not (tmp_path / "nowhere").exists()
    line = refused(capsys, "ledger", "--home", str(path), "--site", "bert")
    assert "--site=bert" in line
    assert "It has anna" in line
    assert "--help" in refused(capsys, "ledger", "burn")
    assert "--help" in refused(capsys, "legder")
    assert "--help" in refused(capsys)


def test_help_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["ledger", "--help"])
    assert ended.value.code == 0
    assert "examples:\n  fl-client ledger --home outputs/" in capsys.readouterr().out


def test_program_runs_as_a_module(path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "fl_client", "ledger", "--home", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("block ")


def test_repeated_charges_are_shown_for_a_site_of_a_fleet(
    capsys: pytest.CaptureFixture[str], fleet: Path
) -> None:
    again = [charge(1, "mon", site="site-1")] * 2
    written(fleet / "ledger.sqlite", *again, owner="fleet")
    rows = {line.split()[0]: line for line in shown(capsys, "--home", str(fleet))}
    assert rows["site-0"].endswith(" 1")
    assert rows["site-1"].endswith(" 2 and 2 repeated")
