"""``make setup``: which program installs, and with what; read from what make would do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.packaging.conftest import run
from tests.support.sources import ROOT

PINNED = "-c constraints.txt -e '.[simulation,pictures,docs,dev]'"
HASHED = "--no-deps --require-hashes -r hashes.txt"
BACKENDS = ("cpu", "auto", "cu130")


def steps(environment: Path, *variables: str) -> list[str]:
    """What make would run to build an environment that is not there."""
    return run(
        "make", "--no-print-directory", "--dry-run", "setup", f"VENV={environment}", *variables
    ).splitlines()


def test_the_plain_way_is_pip_alone(tmp_path: Path) -> None:
    found = steps(tmp_path)
    pip = f"{tmp_path}/bin/python -m pip install"
    assert found[-5:-3] == [f"{pip} {HASHED}", f"{pip} {PINNED}"]
    assert not any("uv" in line.split("/")[-1] for line in found)
    assert found[-1] == f"touch {tmp_path}/.complete"


@pytest.mark.parametrize("backend", BACKENDS)
def test_with_a_backend_uv_installs_and_chooses_torch(tmp_path: Path, backend: str) -> None:
    found = steps(tmp_path, f"TORCH_BACKEND={backend}")
    hashed = found.index(f"{tmp_path}/bin/python -m pip install {HASHED}")
    assert found[hashed + 1] == (
        f"{tmp_path}/bin/uv pip install --python {tmp_path}/bin/python --torch-backend {backend}"
        f" --reinstall-package torch --reinstall-package torchvision {PINNED}"
    )
    assert f"{tmp_path}/bin/python -m pip install {PINNED}" not in found
    assert found[-1] == f"touch {tmp_path}/.complete-{backend}"


@pytest.mark.parametrize(("backend", "status"), [*((name, 0) for name in BACKENDS), ("none", 2)])
def test_uv_knows_these_backends(backend: str, status: int) -> None:
    command = [
        *(str(Path(sys.executable).with_name("uv")), "pip", "install", "--no-config", "--offline"),
        *("--dry-run", "--python", sys.executable, "--torch-backend", backend, "numpy"),
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == status, ended.stderr
