"""The ledger of a simulated run: it is shown, and a run does not go on with a spoilt one."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.__main__ import main as fl_client
from fl_client.ledger.counter import counter_beside
from fl_client.ledger.ledger import Charge, Ledger
from simulate.__main__ import main as simulate
from tests.support import samples

LEDGER = "ledger.sqlite"
OF_ANOTHER_RUN = Charge(
    "person-01",
    run="another",
    round=1,
    plan="plan",
    privacy=samples.WINDOW_PRIVACY,
    blocks=("recording-003",),
    repeatable=True,
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The outputs folder of a finished run of two rounds."""
    folder = tmp_path_factory.mktemp("run") / "outputs"
    overrides = ["net=logistic", "rounds=2", "sites=3", f"hydra.run.dir={folder}"]
    subprocess.run([sys.executable, "-m", "simulate", *overrides], check=True, capture_output=True)
    return folder


@pytest.fixture
def outputs(finished: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(finished, tmp_path / "outputs"))


def test_it_is_one_file_and_its_counter_when_a_run_has_ended(finished: Path) -> None:
    kept = {path.name for path in finished.glob(f"{LEDGER}*")}
    assert kept == {LEDGER, counter_beside(Path(LEDGER)).name}


@pytest.mark.slow
def test_command_shows_what_the_summary_says(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fl_client(["ledger", "--home", str(finished), "--json"])
    document = json.loads(capsys.readouterr().out)
    summary = json.loads((finished / "summary.json").read_text())
    assert document["owner"] == "fleet"
    assert len({block["site"] for block in document["blocks"]}) == 3
    highest = max(block["spent"] for block in document["blocks"])
    assert highest == pytest.approx(summary["epsilon"])
    assert all(list(block["rounds"].values()) == [[1, 2]] for block in document["blocks"])


def edit(folder: Path) -> None:
    with closing(sqlite3.connect(folder / LEDGER, isolation_level=None)) as connection:
        connection.execute("UPDATE charge SET line = replace(line, '1', '2') WHERE number = 2")


def cut(folder: Path) -> None:
    with closing(sqlite3.connect(folder / LEDGER, isolation_level=None)) as connection:
        connection.execute("DELETE FROM charge WHERE number > 3")


def remove(folder: Path) -> None:
    (folder / LEDGER).unlink()


def remove_counter(folder: Path) -> None:
    counter_beside(folder / LEDGER).unlink()


def remove_both(folder: Path) -> None:
    remove(folder)
    remove_counter(folder)


def exchange(folder: Path) -> None:
    """Put a whole ledger of the same fleet, with its own counter, in the ledger's place."""
    remove_both(folder)
    with closing(Ledger(folder / LEDGER, lambda: 0.0, "fleet")) as other:
        other.debit([OF_ANOTHER_RUN])


def when_changed(outputs: Path) -> dict[str, int]:
    """When each file of a run was changed: of all but the lock, which says who works there."""
    files = (path for path in outputs.iterdir() if path.suffix != ".lock")
    return {path.name: path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (edit, "line 2 does not follow"),
        (cut, "ends at line 3, and its counter has counted 6"),
        (remove, "is missing, and its counter"),
        (remove_counter, "fl-client ledger adopt"),
        (remove_both, "has no charge of run"),
        (exchange, "has no charge of run"),
    ],
)
def test_run_does_not_go_on_with_a_spoilt_ledger(
    outputs: Path,
    spoil: Callable[[Path], None],
    match: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil(outputs)
    before = when_changed(outputs)
    monkeypatch.setattr(sys, "argv", ["simulate", f"resume={outputs}"])
    with pytest.raises(SystemExit) as ended:
        simulate()
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(f"error: {outputs / LEDGER}: ")
    assert match in line
    assert when_changed(outputs) == before
