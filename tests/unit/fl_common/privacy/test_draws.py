import numpy as np
import pytest

from fl_common.errors import PrivacyViolation
from fl_common.privacy import draws
from fl_common.privacy.draws import DrawHistory

GENERATOR = np.random.default_rng(3)


def drawn(size: int = 20) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return GENERATOR.standard_normal(size)


def test_no_draw_without_a_seed_may_come_again() -> None:
    history, first = DrawHistory(), drawn()
    for noise in (first, *(drawn() for _ in range(50))):
        history.check(noise, None)
    for noise in (first, np.concatenate([first, drawn()])):
        with pytest.raises(PrivacyViolation, match="drawn twice"):
            history.check(noise, None)
        with pytest.raises(PrivacyViolation, match="drawn twice"):
            history.check(noise, ("update", 0, "anna", 1))


def test_a_seeded_draw_may_come_again_for_the_same() -> None:
    history, first = DrawHistory(), drawn()
    for _ in range(2):
        history.check(first, ("update", 0, "anna", 1))
    for other in (("update", 0, "anna", 2), ("update", 0, "bert", 1), None):
        with pytest.raises(PrivacyViolation, match="drawn twice"):
            history.check(first, other)
    assert history.take_fresh() == []


def test_draws_too_short_to_tell_apart_are_let_by() -> None:
    history = DrawHistory()
    for _ in range(2):
        history.check(np.ones(1), None)
        history.check(np.ones(2, np.float32), None)


def test_the_history_is_bounded_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draws, "MOST_DRAWS", 3)
    history, noise = DrawHistory(), [drawn() for _ in range(4)]
    for each in noise:
        history.check(each, None)
    history.check(noise[0], None)
    with pytest.raises(PrivacyViolation):
        history.check(noise[3], None)


def test_what_another_history_drew_is_known_once_learnt() -> None:
    one, other, noise = DrawHistory(), DrawHistory(), drawn()
    one.check(noise, None)
    other.learn(one.take_fresh())
    assert one.take_fresh() == []
    with pytest.raises(PrivacyViolation):
        other.check(noise, None)
