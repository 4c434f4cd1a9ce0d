"""The images and the stack, built and started once: by the commands of the documentation."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.containers.engine import Engine, make_base, missing
from tests.containers.stack import Stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has the images; skips where none can run, but in CI, which installs it."""
    if absent := missing():
        assert "CI" not in os.environ, f"needs {', '.join(absent)}"
        pytest.skip(f"needs {', '.join(absent)}")
    folder = Path(mkdtemp(prefix="engine-"))
    with Engine(folder) as engine:
        with ThreadPoolExecutor() as both:
            base = both.submit(make_base, folder / "base")
            both.submit(engine.out, "make", "stacks/wheels/.complete").result()
            base.result()
        engine.import_base(folder / "base")
        engine.out("make", "images")
        yield engine


@pytest.fixture(scope="session")
def stack(engine: Engine) -> Iterator[Stack]:
    """``make up``, until ``make down``."""
    try:
        engine.out("make", "up")
        yield Stack(engine)
    finally:
        engine.run("make", "down", check=False)
