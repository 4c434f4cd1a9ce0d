import errno
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fl_common import params
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import PART
from fl_common.vocabulary import Parameters
from fl_server.rounds.checkpoint import Checkpoint, check_plan, load_latest, save
from tests.support.sources import ROOT

FRESH_FOLDER_EACH = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def checkpoint(round_: int) -> Checkpoint:
    parameters = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3) + round_,
        "b": np.array(0.5, np.float32),
    }
    return Checkpoint(
        run="run",
        plan_digest="p" * 64,
        round=round_,
        parameters=parameters,
        optimiser_state={"first_moment": parameters, "second_moment": params.scale(parameters, 2)},
        history=[{"round": n, "loss": 0.25, "sites": ["ä", None]} for n in range(round_)],
    )


def same(left: Checkpoint, right: Checkpoint | None) -> bool:
    return right is not None and described(left) == described(right)


def described(one: Checkpoint) -> object:
    state = [(slot, params.digest(part)) for slot, part in one.optimiser_state.items()]
    return (one.run, one.plan_digest, one.round, params.digest(one.parameters), state,
            list(one.history))  # fmt: skip


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_is_saved_is_loaded_to_the_bit(tmp_path: Path) -> None:
    path = save(tmp_path / "a" / "b", checkpoint(3))
    loaded = load_latest(path.parent)
    assert loaded is not None
    assert same(checkpoint(3), loaded)
    assert loaded.parameters["b"].shape == ()
    assert loaded.parameters["w"].flags.writeable


@FRESH_FOLDER_EACH
@given(
    st.dictionaries(
        st.text(max_size=5),
        arrays.arrays(
            np.float32,
            arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
            elements=st.floats(width=32),
        ),
        max_size=4,
    ),
    st.text(max_size=8),
)
def test_any_names_shapes_and_numbers_come_back(
    tmp_path: Path, parameters: Parameters, run: str
) -> None:
    written = replace(checkpoint(1), run=run, parameters=parameters, optimiser_state={"": {}})
    save(tmp_path, written)
    assert same(written, load_latest(tmp_path))


def test_arrays_of_any_strides_are_saved_in_their_own_order(tmp_path: Path) -> None:
    turned = {"w": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    save(tmp_path, replace(checkpoint(1), parameters=turned))
    loaded = load_latest(tmp_path)
    assert loaded is not None
    np.testing.assert_array_equal(loaded.parameters["w"], turned["w"])


def test_the_last_two_rounds_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for round_ in (8, 9, 10, 11):
        save(tmp_path, checkpoint(round_))
    assert names(tmp_path) == ["round-000010.checkpoint", "round-000011.checkpoint"]
    assert same(checkpoint(11), load_latest(tmp_path))


def test_rounds_are_ordered_by_number_beyond_six_digits(tmp_path: Path) -> None:
    for round_ in (999_999, 1_000_000):
        save(tmp_path, replace(checkpoint(1), round=round_))
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded.round == 1_000_000
    assert names(tmp_path) == ["round-1000000.checkpoint", "round-999999.checkpoint"]


def test_a_run_that_goes_on_from_an_earlier_round_leaves_no_later_one(tmp_path: Path) -> None:
    for round_ in (4, 5, 3):
        save(tmp_path, checkpoint(round_))
    assert same(checkpoint(3), load_latest(tmp_path))
    assert names(tmp_path) == ["round-000003.checkpoint"]


def test_other_files_in_the_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "round-notes.txt").write_text("mine")
    for round_ in (1, 2, 3):
        save(tmp_path, checkpoint(round_))
    assert (tmp_path / "round-notes.txt").read_text() == "mine"


def test_no_folder_and_an_empty_folder_hold_no_checkpoint(tmp_path: Path) -> None:
    assert load_latest(tmp_path / "absent") is None
    assert load_latest(tmp_path) is None


@FRESH_FOLDER_EACH
@given(st.data())
def test_a_cut_or_changed_newest_file_falls_back_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, data: st.DataObject
) -> None:
    save(tmp_path, checkpoint(6))
    newest = save(tmp_path, checkpoint(7))
    content = newest.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.sampled_from(range(8)))
    flipped = content[:place] + bytes([content[place] ^ (1 << bit)]) + content[place + 1 :]
    damaged = data.draw(st.sampled_from([content[:place], flipped, content + flipped]))
    newest.write_bytes(damaged)
    with caplog.at_level(logging.WARNING):
        assert same(checkpoint(6), load_latest(tmp_path))
    assert str(newest) in caplog.text
    assert "cut or damaged" in caplog.text


@FRESH_FOLDER_EACH
@given(st.binary(max_size=200))
def test_any_bytes_are_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "round-000001.checkpoint").write_bytes(content)
    with pytest.raises(InvalidData, match="all 1 of them are damaged"):
        load_latest(tmp_path)


@pytest.mark.parametrize(
    "header",
    [b"", b"[]", b"{", b"\xff", b'{"format": 2}', b'{"format": 2, "parameters": []}'],
)
def test_a_whole_file_with_a_strange_header_is_passed_over(tmp_path: Path, header: bytes) -> None:
    save(tmp_path, checkpoint(1))
    (tmp_path / "round-000002.checkpoint").write_bytes(sealed(header))
    assert same(checkpoint(1), load_latest(tmp_path))


@pytest.mark.parametrize("other", [1, 3], ids=["earlier", "later"])
def test_a_whole_file_of_another_version_is_refused(tmp_path: Path, other: int) -> None:
    save(tmp_path, checkpoint(1))
    header = sealed(json.dumps({"format": other}).encode())
    (tmp_path / "round-000002.checkpoint").write_bytes(header)
    with pytest.raises(InvalidConfiguration) as refused:
        load_latest(tmp_path)
    told = str(refused.value)
    assert f"has format {other}, and this version reads format 2. Resume with the version" in told
    assert "begin another run" in told
    assert "\n" not in told


def sealed(header: bytes) -> bytes:
    body = b"JTDCKPT\n" + len(header).to_bytes(8, "little") + header
    return body + hashlib.sha256(body).digest()


def test_damage_to_all_files_is_said_and_not_taken_for_a_new_run(tmp_path: Path) -> None:
    for round_ in (1, 2):
        save(tmp_path, checkpoint(round_)).write_bytes(b"")
    with pytest.raises(InvalidData, match="all 2 of them are damaged") as caught:
        load_latest(tmp_path)
    assert "resume" in caught.value.remedy


class PowerCut(BaseException):
    """Nothing in the code may catch this by name."""


@pytest.mark.parametrize("moment", ["os.fsync", "pathlib.Path.replace"])
def test_an_interruption_leaves_the_round_before_and_the_next_save_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def cut(*_: object) -> None:
        raise PowerCut

    save(tmp_path, checkpoint(1))
    with monkeypatch.context() as patch:
        patch.setattr(moment, cut)
        with pytest.raises(PowerCut):
            save(tmp_path, checkpoint(2))
    assert names(tmp_path) == ["round-000001.checkpoint"]
    save(tmp_path, checkpoint(2))
    assert same(checkpoint(2), load_latest(tmp_path))


def test_what_a_kill_left_behind_is_neither_loaded_nor_kept(tmp_path: Path) -> None:
    content = save(tmp_path, checkpoint(1)).read_bytes()
    partial = tmp_path / f".round-000002.checkpoint.xyz{PART}"
    partial.write_bytes(content[: len(content) // 2])
    assert same(checkpoint(1), load_latest(tmp_path))
    save(tmp_path, checkpoint(3))
    assert names(tmp_path) == ["round-000001.checkpoint", "round-000003.checkpoint"]


ENDLESS = """
import sys
from pathlib import Path
import numpy as np
from fl_server.rounds.checkpoint import Checkpoint, save
round_ = 0
while True:
    round_ += 1
    x = {"w": np.full(200_000, round_, np.float32)}
    save(Path(sys.argv[1]), Checkpoint("run", "p", round_, x, {}, [{}] * round_))
    print(round_, flush=True)
"""


def test_after_kill_minus_nine_the_last_round_that_was_done_is_there(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDLESS, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        done = [int(process.stdout.readline()) for _ in range(5)][-1]
        process.send_signal(signal.SIGKILL)
    loaded = load_latest(tmp_path)
    assert loaded is not None
    assert loaded.round >= done
    assert len(loaded.history) == loaded.round
    assert np.all(loaded.parameters["w"] == loaded.round)


def test_a_full_disk_is_said_and_leaves_the_round_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    save(tmp_path, checkpoint(1))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidConfiguration, match="No space left on device") as caught:
        save(tmp_path, checkpoint(2))
    assert str(tmp_path) in caught.value.value
    assert "Free space" in caught.value.remedy
    assert names(tmp_path) == ["round-000001.checkpoint"]
    assert same(checkpoint(1), load_latest(tmp_path))


@pytest.mark.parametrize("below", [".", "inner"])
def test_a_file_in_place_of_the_folder_is_said(tmp_path: Path, below: str) -> None:
    file = tmp_path / "checkpoints"
    file.write_text("not a folder")
    with pytest.raises(InvalidConfiguration, match=r"can't be written \((File exists|Not a dir)"):
        save(file / below, checkpoint(1))
    assert file.read_text() == "not a folder"


def test_resuming_from_a_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_text("not a folder")
    with pytest.raises(InvalidConfiguration, match="can't be read \\(Not a directory\\)"):
        load_latest(file)


def test_a_checkpoint_of_another_plan_is_refused_with_both_digests() -> None:
    check_plan(checkpoint(1), "p" * 64)
    with pytest.raises(InvalidConfiguration, match=f"{'p' * 64}.*{'q' * 64}.*without resume"):
        check_plan(checkpoint(1), "q" * 64)
