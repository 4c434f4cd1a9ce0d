"""One server at a time: its tests take long because they wait; several would get slower."""

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """Held by one worker of the test run at a time."""
    with (Path(tempfile.gettempdir()) / "join-the-dots-deployed.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
