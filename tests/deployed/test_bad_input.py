"""A server that is started with bad input says so in one line and ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.ports import free_port


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("hosts=[]", "error: hosts=[]: must name the server."),
        ("listen=abc", "error: listen=abc: must be HOST:PORT or PORT."),
        ("restart.first_s=-1", "error: restart.first_s=-1, restart.most_s=60.0: must be above 0"),
        ("rounds=0", "error: rounds=0: must be a whole number from 1."),  # seen by the runner alone
    ],
)
def test_bad_input_ends_the_server(override: str, words: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "fl_server", "start", f"home={tmp_path}", "log_level=warning"),
            "privacy.site_windows=100",
            *(f"listen=127.0.0.1:{free_port()}", f"superlink_port={free_port()}", override),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(words)
    assert len(ended.stderr.splitlines()) == 1
