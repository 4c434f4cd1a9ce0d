"""What every test runs under: nothing sent, one thread, Flower's home in a folder of its own."""

import logging
import os
import random
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from fl_common.telemetry import OFF

if TYPE_CHECKING:
    from fl_common.components.reader import Reader
    from tests.support.repositories import World

# Read by these libraries when they are imported, which happens after this file is.
os.environ.update(
    OFF,
    OMP_NUM_THREADS="1",  # torch and numpy: pytest-xdist already has a process per core
    MKL_NUM_THREADS="1",
    OPENBLAS_NUM_THREADS="1",
)
os.environ.pop("HYDRA_FULL_ERROR", None)

# No verdict by time: a slow machine is no failure. In CI the same examples each time.
settings.register_profile(
    "project",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="CI" in os.environ,
)
settings.register_profile("quick", settings.get_profile("project"), max_examples=20)
settings.load_profile("project")

_MARKS = {
    "deployed": ("long",),
    "packaging": ("long",),
    "containers": ("containers", "slow"),
}
"""The markers of every test in a folder of ``tests``; pyproject.toml says what each means."""

_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def pytest_configure(config: pytest.Config) -> None:
    """Where slow tests are left out, try fewer examples of each law."""
    if config.getoption("markexpr") == "not slow":
        settings.load_profile("quick")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and those that take long as slow, too."""
    here = Path(__file__).parent
    for item in items:
        folder, *rest = item.path.relative_to(here).parts
        for mark in _MARKS.get(folder, ()) if rest else ():
            item.add_marker(mark)
        if item.get_closest_marker("long"):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _no_draws_of_other_tests() -> None:
    """Each test begins as a process does, which knows no draw of noise."""
    from fl_common.privacy.draws import DRAWS

    DRAWS.forget()


@pytest.fixture(autouse=True)
def _same_chance() -> None:
    """Each test begins with the same global generators: torch's begin by chance in each process."""
    random.seed(0)
    if (torch := sys.modules.get("torch")) is not None:
        torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _same_priority() -> Iterator[None]:
    """Training lowers its process's priority for good: here that of all tests that follow."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.setpriority", lambda *_: None)
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets beside the checkout; skips where there is none."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("needs public data sets in ../shared/data, which is not there")
    return _SHARED_DATA


@pytest.fixture(scope="session", autouse=True)
def flower_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flower keeps its configuration and state here, not in the user's home."""
    home = tmp_path_factory.mktemp("flower")
    os.environ["FLWR_HOME"] = str(home)
    return home


@pytest.fixture(autouse=True)
def loggers_that_speak() -> Iterator[None]:
    """Undo what a program under test did to the process' loggers: their levels and silence."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Undo what a command that runs in this process did to it."""
    mask = os.umask(0o022)
    os.umask(mask)
    yield
    os.umask(mask)


@pytest.fixture
def world(tmp_path: Path) -> "World":
    """A new component repository in ``tmp_path``."""
    from tests.support.repositories import World

    world = World(tmp_path)
    world.created()
    return world


@pytest.fixture
def site(world: "World") -> "Iterator[Reader]":
    """A site's reader of ``world``, over HTTP."""
    from tests.support.repositories import Quiet, serving

    with serving(partial(Quiet, directory=str(world.place))) as address:
        yield world.reader(address)
