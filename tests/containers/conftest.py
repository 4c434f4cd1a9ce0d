"""The images and the stack, built and started once: by the commands of the documentation."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp
from typing import NoReturn

import pytest

from tests.containers.engine import Engine, EngineFailed, make_base, missing
from tests.containers.stack import Stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has the images; skips where none can run, but not in CI."""
    if absent := missing():
        can_not(f"needs {', '.join(absent)}")
    folder = Path(mkdtemp(prefix="engine-"))
    engine = Engine(folder)
    try:
        engine.start()
    except EngineFailed as error:
        can_not(f"no engine can run here: {error}")
    with engine:
        with ThreadPoolExecutor() as both:
            base = both.submit(make_base, folder / "base")
            both.submit(engine.out, "make", "stacks/wheels/.complete").result()
            base.result()
        engine.import_base(folder / "base")
        engine.out("make", "images")
        yield engine


def can_not(reason: str) -> NoReturn:
    """In CI everything is there, so that nothing may be left out."""
    if "CI" in os.environ:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Stack]:
    """``make up``, until ``make down``."""
    try:
        engine.out("make", "up")
        yield Stack(engine)
    finally:
        engine.run("make", "down", check=False)
