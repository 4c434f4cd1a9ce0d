"""The site's last step: what is sent and what is kept add up, and never mix plans or privacy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fl_client.release.compression import compress
from fl_client.release.residuals import Residuals
from fl_common.compression.quantisation import Compression, PackedDelta
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats, LocalUpdate, Refusal
from tests.support import samples

TOP = Compression(0.25)
PLAN = samples.plan(compression=TOP)
SIZE = 12


def update(values: Floats, round_: int = 1) -> LocalUpdate:
    return LocalUpdate("anna", "run", round_, {"w": values[:8].reshape(2, 4), "b": values[8:]}, 1.0)


def sent(answer: LocalUpdate | Refusal) -> Floats:
    assert isinstance(answer, LocalUpdate)
    assert isinstance(answer.delta, PackedDelta)
    return np.concatenate([array.reshape(-1) for array in answer.delta.values()])


def values(seed: int) -> Floats:
    return np.random.default_rng(seed).normal(size=SIZE).astype(np.float32)


def test_over_the_rounds_nothing_is_lost(tmp_path: Path) -> None:
    residuals, total, given = Residuals(tmp_path), np.zeros(SIZE), np.zeros(SIZE)
    for round_ in range(1, 9):
        given += values(round_)
        total += sent(compress(update(values(round_), round_), PLAN, residuals))
    rest_E = residuals.before("anna", PLAN, 9, SIZE)
    np.testing.assert_allclose(total + rest_E, given, atol=1e-5)
    assert np.abs(rest_E).max() > 0


def test_a_repeated_round_sends_the_same_bytes(tmp_path: Path) -> None:
    compress(update(values(1), 1), PLAN, Residuals(tmp_path))
    first = sent(compress(update(values(2), 2), PLAN, Residuals(tmp_path)))
    again = sent(compress(update(values(2), 2), PLAN, Residuals(tmp_path)))
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize(
    ("plan", "site", "round_"),
    [
        (samples.plan(samples.WINDOW_PRIVACY, compression=TOP), "anna", 2),
        (replace(PLAN, seed=2), "anna", 2),
        (PLAN, "berta", 2),
        (PLAN, "anna", 0),
    ],
    ids=["with DP", "another plan", "another site", "an earlier round"],
)
def test_a_rest_goes_into_no_other_run(
    plan: RunPlan, site: str, round_: int, tmp_path: Path
) -> None:
    residuals = Residuals(tmp_path)
    compress(update(values(1)), PLAN, residuals)
    assert residuals.before("anna", PLAN, 2, SIZE).any()
    assert not residuals.before(site, plan, round_, SIZE).any()


def test_a_file_that_unpacks_to_more_than_an_update_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    residuals = Residuals(tmp_path)
    compress(update(values(1)), PLAN, residuals)
    (path,) = tmp_path.iterdir()
    kept = dict(np.load(path))
    np.savez_compressed(path, **kept, more=np.zeros(10**7))
    assert not residuals.before("anna", PLAN, 2, SIZE).any()
    assert "more than" in caplog.text


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"\x93NUMPY", bytes(100)])
def test_a_damaged_file_begins_anew(
    damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    residuals = Residuals(tmp_path)
    compress(update(values(1)), PLAN, residuals)
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)
    assert not residuals.before("anna", PLAN, 2, SIZE).any()
    assert "replaced by zeros" in caplog.text
    sent(compress(update(values(2), 2), PLAN, residuals))
    assert residuals.before("anna", PLAN, 3, SIZE).any()


def test_a_disk_that_takes_nothing_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = compress(update(values(1)), PLAN, Residuals(tmp_path / "file"))
    assert isinstance(answer, Refusal)
    assert "can't be compressed" in answer.detail


def test_a_sum_beyond_float32_is_a_refusal(tmp_path: Path) -> None:
    large = np.full(SIZE, 3e38, np.float32)
    residuals = Residuals(tmp_path)
    compress(update(large), PLAN, residuals)
    assert isinstance(compress(update(large, 2), PLAN, residuals), Refusal)


def test_int8_rounds_by_the_plans_seed_and_keeps_nothing(tmp_path: Path) -> None:
    plan = samples.plan(compression=Compression(1.0))
    residuals = Residuals(tmp_path / "none")
    first, again = (sent(compress(update(values(1)), plan, residuals)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = sent(compress(update(values(1), 2), plan, residuals))
    assert (first != other).any()
    unseeded = replace(plan, seed=None)
    draws = {sent(compress(update(values(1)), unseeded, residuals)).tobytes() for _ in range(5)}
    assert len(draws) > 1
    assert not (tmp_path / "none").exists()


def test_without_compression_an_update_leaves_as_it_is(tmp_path: Path) -> None:
    given = update(values(1))
    assert compress(given, samples.plan(), Residuals(tmp_path)) is given


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(InvalidConfiguration, match="share="):
        Compression(share)


def test_compression_before_the_servers_noise_is_refused() -> None:
    with pytest.raises(InvalidConfiguration, match="noise=server"):
        samples.plan(samples.SITE_PRIVACY, compression=Compression(1.0))
    by_sites = replace(samples.SITE_PRIVACY, noise="site")
    assert samples.plan(by_sites, compression=TOP).compression == TOP
