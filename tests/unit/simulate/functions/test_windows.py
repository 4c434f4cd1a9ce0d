"""A box's own windows for a function: read alone, with the model that the box should serve."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from fl_client.home import MODEL, SLOTS, STORE
from fl_client.store.database import open_store
from fl_client.store.windows import WindowStore
from fl_client.windows import Slicing, Window
from fl_common.errors import InvalidConfiguration
from simulate.functions.windows import _name_of, held_out, stored_in
from tests.support.model_files import published, slot_with
from tests.support.samples import TASK

SECOND_NS = 10**9


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Of a box with six windows, a second apart, the last ones of a stream."""
    home = tmp_path / "box"
    slot_with(home / SLOTS / MODEL, published(tmp_path / "model.onnx", answer=1))
    with closing(open_store(home / STORE)) as connection:
        store = WindowStore(connection, TASK, Slicing(4, 1.0, 1.0, 1.0), 0.5)
        store.add(
            [
                Window(
                    "toy", n * SECOND_NS, np.full((8, 2), n, np.float32), "press" if n > 3 else ""
                )
                for n in range(6)
            ]
        )
    return home


def test_they_are_had_in_order_with_the_models_answer(home: Path) -> None:
    seen = stored_in(home, None, 0, now_s=6.0).windows
    assert [one.window.start_ns // SECOND_NS for one in seen] == [0, 1, 2, 3, 4, 5]
    assert [one.window.values[0] for one in seen] == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert {one.predicted.label for one in seen} == {"moving"}
    assert [one.predicted.stream for one in seen] == [""] * 4 + ["press"] * 2
    assert seen[0].window.end_ns == round(8 / 50 * SECOND_NS)


def test_the_last_ones_by_number_or_time(home: Path) -> None:
    for last, most, now_s, seconds in (
        (None, 2, 6.0, [4, 5]), ("3s", 0, 6.0, [3, 4, 5]), ("1s", 0, 60.0, []),
    ):  # fmt: skip
        seen = stored_in(home, last, most, now_s).windows
        assert [one.window.start_ns // SECOND_NS for one in seen] == seconds


def test_nothing_of_the_box_changes(home: Path) -> None:
    def contents() -> dict[str, bytes]:
        files = [path for path in home.rglob("*") if path.is_file() and "-shm" not in path.name]
        return {path.name: path.read_bytes() for path in files if path.stat().st_size}

    before = contents()
    stored_in(home, None, 0, 6.0)
    assert contents() == before


def test_a_folder_of_no_box_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="has no windows and model"):
        stored_in(tmp_path, None, 0, 6.0)


def test_a_model_of_own_data_is_of_this_file_and_of_these_values(tmp_path: Path) -> None:
    file = tmp_path / "windows.npz"
    names = set()
    for content, rate in ((b"one", 50), (b"two", 50), (b"two", 25)):
        file.write_bytes(content)
        names.add(_name_of("arrays", [f"data.path={file}", f"world.rate_hz={rate}"]))
    assert len(names) == 3
    assert _name_of("wearables", []) == "wearables"


@pytest.mark.slow
def test_own_data_are_shown_as_those_of_a_task_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(1)
    labels_N = np.arange(120) % 2
    values_NTC = generator.normal(labels_N[:, None, None], 0.1, (120, 8, 2)).astype(np.float32)
    sites_N = np.repeat(np.arange(4), 30)
    np.savez(tmp_path / "own.npz", x=values_NTC, y=labels_N, site=sites_N)
    own = ["data.path=own.npz", "world.rate_hz=4"]
    seen = held_out("arrays", own, None, 0, Console())
    assert len(seen.windows) == 24
    said = {one.predicted.label for one in seen.windows}
    assert said == {"0", "1"}
    assert (tmp_path / "outputs" / "fl-fn" / _name_of("arrays", own) / "model.onnx").is_file()
