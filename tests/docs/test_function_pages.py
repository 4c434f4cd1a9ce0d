"""The pages of functions, typed: from a new one to an event heard from a box, and to production."""

import json
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.ports import free_port
from tests.support.sandboxes import compile_runner
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

pytestmark = pytest.mark.long
MOST_COMMANDS = 7


@pytest.fixture
def cache(tmp_path: Path) -> str:
    """A user's cache, with the machine code that other tests have made."""
    place = tmp_path / "cache" / "join-the-dots"
    place.mkdir(parents=True)
    (place / "machine-code").symlink_to(compile_runner())
    return str(place.parent)


def test_a_strangers_first_function_is_heard_from_a_box(tmp_path: Path, cache: str) -> None:
    Mosquitto(tmp_path)  # skips where there is none
    reader, port = desk(tmp_path / "reader"), str(free_port())
    first, recorded, live = blocks("docs/tutorial-function.md")
    commands = f"{first}{recorded}{live}".replace("\\\n", "").splitlines()
    assert len(commands) <= MOST_COMMANDS
    (shown,) = blocks("docs/tutorial-function.md#write-it", "python")
    told = typed(first, reader, XDG_CACHE_HOME=cache)
    assert "8 of 8 as expected" in told
    assert shown in (reader / "fall-alarm" / "function.py").read_text()
    typed(recorded, reader, XDG_CACHE_HOME=cache)
    assert (reader / "outputs" / "fl-fn" / "wearables" / "model.onnx").is_file()
    small = "engine.seconds=60", "engine.seconds=60 engine.sites=1"
    typed(replaced(live, ("18830", port), small), reader, XDG_CACHE_HOME=cache)
    heard = json.loads((reader / "heard.txt").read_text().splitlines()[0])
    assert heard["function"] == "fall-alarm"


def test_a_function_goes_into_production_by_its_gates(tmp_path: Path, cache: str) -> None:
    reader = desk(tmp_path / "reader")
    (page,) = blocks("docs/how-to/functions.md")
    told = typed(f"fl-fn new fall-alarm\n{page}", reader, XDG_CACHE_HOME=cache)
    assert "8 cases as expected" in told
    assert "is in production" in told


def test_a_shipped_function_is_copied_and_tested(tmp_path: Path, cache: str) -> None:
    reader = desk(tmp_path / "reader")
    (reader / "functions").symlink_to(ROOT / "functions")
    (page,) = blocks("docs/reference/shipped-functions.md")
    assert "the same bytes" in typed(page, reader, XDG_CACHE_HOME=cache)


def test_windows_go_through_a_shipped_shape(tmp_path: Path, cache: str) -> None:
    reader = desk(tmp_path / "reader")
    (reader / "functions").symlink_to(ROOT / "functions")
    tried, published = blocks("docs/how-to/shapes.md")
    told = typed(tried, reader, XDG_CACHE_HOME=cache)
    assert "128 readings become 64" in told
    assert "is in production" in typed(published, reader, XDG_CACHE_HOME=cache)
