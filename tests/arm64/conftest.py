"""The image of a box without training for ARM, built once: by the documentation's command."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import mkdtemp

import pytest

from tests.arm64.models import place_network
from tests.support.boxes import ContainerBox, box_in
from tests.support.docker import Engine, engine_in, make_base
from tests.support.emulation import arm64_programs, processor_of_arm
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import wait_for

_BASE = "arm64v8/debian:bookworm-slim"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that has ``join-the-dots-edge:arm64``."""
    folder = Path(mkdtemp(prefix="engine-"))
    with arm64_programs(), engine_in(folder) as engine:
        with ThreadPoolExecutor() as both:
            base = both.submit(make_base, folder / "base", "arm64")
            both.submit(engine.out, "make", "wheels", "ARCH=arm64", "IMAGES=edge").result()
            base.result()
        engine.load_base(folder / "base", _BASE, "arm64")
        engine.out("make", "images", "ARCH=arm64", "IMAGES=edge", "TAG=arm64", f"BASE={_BASE}")
        yield engine


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker on this machine."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture(scope="session")
def arm_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The box's folder, with a model."""
    home = tmp_path_factory.mktemp("boxes") / "arm"
    place_network(home, "features")
    return home


@pytest.fixture(scope="session")
def box(engine: Engine, broker: Mosquitto, arm_home: Path) -> Iterator[ContainerBox]:
    """A box of ARM that is connected and predicts."""
    shown = processor_of_arm(arm_home.parent / "cpuinfo")
    options = ("--platform", "linux/arm64", *shown)
    with box_in(engine, "join-the-dots-edge:arm64", arm_home, broker.port, *options) as box:
        wait_for(lambda: box.status() and not box.status()["wrong"], "a box that is ready")
        yield box
