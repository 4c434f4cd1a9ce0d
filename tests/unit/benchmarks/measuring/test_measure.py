import sys
import time
from pathlib import Path

import pytest

from benchmarks.measuring.measure import ProcessFailed, memory_of, process_tree, run_process

on_linux = pytest.mark.skipif(
    not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux' /proc"
)


def test_a_run_tells_its_time_and_its_memory(tmp_path: Path) -> None:
    held = "block = bytes(range(256)) * (1 << 18); sum(range(10**7)); print(len(block))"
    usage = run_process([sys.executable, "-c", held], {}, tmp_path / "log", limit_s=60)
    assert 2**26 < usage.peak_bytes < 2**27
    assert usage.wall_s > 0
    assert (tmp_path / "log").read_text() == f"{2**26}\n"


def test_the_environment_is_added_to_this_ones(tmp_path: Path) -> None:
    code = "import os; print(os.environ['GREETING'], 'PATH' in os.environ)"
    run_process([sys.executable, "-c", code], {"GREETING": "hello"}, tmp_path / "log", 60)
    assert (tmp_path / "log").read_text() == "hello True\n"


def test_a_failure_has_the_last_words(tmp_path: Path) -> None:
    code = "import sys; print('first'); sys.exit('the reason')"
    with pytest.raises(ProcessFailed, match=r"exit status 1: .*the reason"):
        run_process([sys.executable, "-c", code], {}, tmp_path / "log", limit_s=60)


@pytest.mark.slow
@on_linux
def test_a_run_that_never_ends_is_ended_with_its_children(tmp_path: Path) -> None:
    code = (
        "import subprocess; child = subprocess.Popen(['tail', '-f', '/dev/null'])\n"
        "print(child.pid, flush=True); child.wait()"
    )
    with pytest.raises(ProcessFailed, match="not done within"):
        run_process([sys.executable, "-c", code], {}, tmp_path / "log", limit_s=3)
    child = Path("/proc") / (tmp_path / "log").read_text().strip()
    for _ in range(600):  # a killed process is gone when the kernel gets to it
        if _is_gone(child):
            return
        time.sleep(0.1)
    pytest.fail("the child still runs a minute after its parent was ended")


def _is_gone(process: Path) -> bool:
    try:
        return "(zombie)" in (process / "status").read_text()
    except OSError:
        return True


@on_linux
def test_a_tree_has_its_root_and_memory_of_what_is_gone_is_nothing() -> None:
    here = int(Path("/proc/self").readlink().name)
    assert process_tree(here)[0] == here
    assert memory_of(here) > 0
    assert memory_of(2**22 + 1) == 0
