"""Draws are known again after a restart, and to the other processes of a site."""

import stat
from pathlib import Path

import numpy as np
import pytest

from fl_client.release import drawn
from fl_client.release.drawn import DrawnBefore
from fl_common.errors import PrivacyViolation
from fl_common.privacy.draws import DrawHistory

GENERATOR = np.random.default_rng(3)


def process(folder: Path) -> tuple[DrawHistory, DrawnBefore]:
    history = DrawHistory()
    return history, DrawnBefore(folder, history)


def noise() -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return GENERATOR.standard_normal(20)


def test_a_draw_is_known_after_a_restart(tmp_path: Path) -> None:
    history, before = process(tmp_path)
    rounds = [noise() for _ in range(3)]
    for each in rounds:
        history.check(each, None)
        before.keep()
    again, _ = process(tmp_path)
    for each in rounds:
        with pytest.raises(PrivacyViolation, match="same seed again"):
            again.check(each, None)
    again.check(noise(), None)
    assert stat.S_IMODE((tmp_path / "noise.drawn").stat().st_mode) == 0o600


def test_a_draw_of_another_process_is_noticed_before_anything_leaves(tmp_path: Path) -> None:
    (one, one_before), (two, two_before) = process(tmp_path), process(tmp_path)
    same = noise()
    one.check(same, None)
    one_before.keep()
    two.check(same, None)
    with pytest.raises(PrivacyViolation, match="another process"):
        two_before.keep()


def test_seeded_draws_are_not_kept(tmp_path: Path) -> None:
    history, before = process(tmp_path)
    history.check(noise(), ("update", 0, "anna", 1))
    before.keep()
    assert list(tmp_path.iterdir()) == []


def test_an_append_that_was_cut_off_costs_that_draw_alone(tmp_path: Path) -> None:
    history, before = process(tmp_path)
    first, second, third = noise(), noise(), noise()
    for each in (first, second):
        history.check(each, None)
    before.keep()
    path = tmp_path / "noise.drawn"
    path.write_bytes(path.read_bytes()[:-3])
    again, before = process(tmp_path)
    again.check(third, None)
    before.keep()
    last, _ = process(tmp_path)
    for each in (first, third):
        with pytest.raises(PrivacyViolation):
            last.check(each, None)
    last.check(second, None)


def test_the_file_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawn, "MOST_DRAWS", 4)
    history, before = process(tmp_path)
    rounds = [noise() for _ in range(20)]
    for each in rounds:
        history.check(each, None)
        before.keep()
    assert (tmp_path / "noise.drawn").stat().st_size <= 8 * 8
    last, _ = process(tmp_path)
    with pytest.raises(PrivacyViolation):
        last.check(rounds[-1], None)
