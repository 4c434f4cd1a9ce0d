"""``check-wheels``: only files that hashes.txt names get into the images."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.support.sources import ROOT


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "stacks" / "check-wheels"), "wheels", sys.executable]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def test_a_wheel_that_is_not_the_pinned_file_is_removed(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for name in ("good-1-py3-none-any.whl", "other-2-py3-none-any.whl"):
        (wheels / name).write_bytes(name.encode())
    for name in ("join_the_dots-0.1.0-py3-none-any.whl", "torch-2.13.0+cpu-cp311-none-any.whl"):
        (wheels / name).write_bytes(b"built somewhere")
    pins = [hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels.glob("[go]*")]
    (tmp_path / "hashes.txt").write_text("".join(f"    --hash=sha256:{pin}\n" for pin in pins))
    before = checked(tmp_path)
    assert (before.returncode, before.stderr) == (0, "")
    with (wheels / "good-1-py3-none-any.whl").open("ab") as file:
        file.write(b"and more")
    told = checked(tmp_path)
    assert told.returncode == 1
    assert told.stderr.startswith("wheels/good-1-py3-none-any.whl is no file of hashes.txt")
    assert not (wheels / "good-1-py3-none-any.whl").exists()
    assert len(list(wheels.iterdir())) == 3
