"""The images and the stack, built and started once: by the commands of the documentation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.containers.stack import Stack
from tests.support.docker import ARCHITECTURE, Engine, engine_in, make_base


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has the images."""
    folder = Path(mkdtemp(prefix="engine-"))
    with engine_in(folder) as engine:
        with ThreadPoolExecutor() as both:
            base = both.submit(make_base, folder / "base", ARCHITECTURE)
            both.submit(engine.out, "make", "wheels").result()
            base.result()
        engine.load_base(folder / "base", "debian:bookworm-slim", ARCHITECTURE)
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
