"""Our own programs in a folder that has packages with the names of ours."""

import asyncio
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from fl_client.ledger.ledger import Charge, Ledger
from fl_client.node.budget import Budget, watch_ledger
from fl_common.errors import InvalidConfiguration
from fl_common.programs.own import PACKAGES, check_folder, own_program
from tests.support.samples import WINDOW_PRIVACY
from tests.support.sources import PACKAGES as OWN
from tests.support.sources import ROOT


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder with packages ``models`` and ``conf`` that can't be imported."""
    for name in ("models", "conf"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('not ours')")
    return tmp_path


def test_every_package_of_ours_is_known() -> None:
    assert set(PACKAGES) == set(OWN)


@pytest.mark.parametrize(
    ("script", "module", "words"),
    [
        ("fl-simulate", "simulate", ["rounds=1"]),
        ("fl-client", "fl_client", ["run"]),
        ("fl-server", "fl_server", ["status"]),
        ("fl-repo", "fl_server.repository", ["list"]),
    ],
)
def test_a_start_that_would_import_other_packages_says_which_and_how_to_start(
    elsewhere: Path, script: str, module: str, words: list[str]
) -> None:
    command = [sys.executable, "-m", module, *words]
    ended = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        f"error: {elsewhere / 'conf'}, {elsewhere / 'models'}: would be imported instead of the"
        f" package of that name of Join the Dots. Run {script}, or python -P -m {module};"
        " if PYTHONPATH names the folder, take it off.\n"
    )
    assert {path.name for path in elsewhere.iterdir()} == {"models", "conf"}


def test_the_ways_that_it_names_work(elsewhere: Path) -> None:
    script = str(Path(sys.executable).with_name("fl-simulate"))
    for command in ([script], own_program("simulate")):
        ended = subprocess.run(
            [*command, "--cfg", "job"], cwd=elsewhere, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (0, "")


def test_a_folder_without_an_init_file_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    command = [sys.executable, "-m", "simulate", "--cfg", "job"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_node_s_child_reads_the_ledger_there(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = Charge("anna", "run", 1, "plan", WINDOW_PRIVACY, ("monday",), False)
    with closing(Ledger(elsewhere / "ledger.sqlite", lambda: 7.0, "anna")) as ledger:
        ledger.debit([charge])
    monkeypatch.chdir(elsewhere)
    told: list[Budget] = []

    async def until_told() -> None:
        task = asyncio.create_task(watch_ledger(elsewhere / "ledger.sqlite", None, told.append))
        while not told and not task.done():
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(until_told())
    assert told[0]["block"] == "monday"


def test_ray_which_looks_there_first_is_not_started(elsewhere: Path) -> None:
    script = str(Path(sys.executable).with_name("fl-simulate"))
    command = [script, "engine=ray", "rounds=1", f"hydra.run.dir={elsewhere / 'out'}"]
    ended = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert str(elsewhere / "models") in line
    assert "Run it in another folder: engine=ray looks in the current one first" in line


def test_a_module_hides_ours_as_a_package_does(tmp_path: Path) -> None:
    check_folder("engine=ray", tmp_path)
    check_folder("engine=ray", ROOT)
    (tmp_path / "models.py").touch()
    with pytest.raises(InvalidConfiguration, match=r"models\.py: would be imported instead"):
        check_folder("engine=ray", tmp_path)


@pytest.mark.long
def test_a_deployment_s_processes_find_ours_there(elsewhere: Path) -> None:
    script, out = str(Path(sys.executable).with_name("fl-simulate")), elsewhere / "out"
    words = ["engine=deployment", "sites=2", "rounds=1", "net=logistic", f"hydra.run.dir={out}"]
    ended = subprocess.run(
        [script, *words], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert (out / "model.onnx").is_file()
