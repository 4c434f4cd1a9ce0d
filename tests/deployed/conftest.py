"""One server at a time: its tests take long because they wait; several would get slower."""

import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_HERE = Path(__file__).parent


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give time for a whole module of another worker, which the first test of each waits for."""
    for item in items:
        if _HERE in item.path.parents:
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="module")
def alone() -> Iterator[None]:
    """Held by one worker of the test run at a time."""
    with (Path(tempfile.gettempdir()) / "join-the-dots-deployed.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
