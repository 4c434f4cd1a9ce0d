"""Features that need no scale: finite for any reading, alike in any unit, and exported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fl_common.vocabulary import Floats, Task
from models.export import TOLERANCE, export_onnx
from models.lineage import Lineage
from models.parts.bands import band_ends
from models.parts.rows import ScaleFreeRows
from models.parts.scale_free import ScaleFreeSeries, groups_of
from tests.unit.models.net_examples import MOTION, VECTOR, example, spec_of

LARGEST = 3e38
"""Near the largest float32."""


def series(length: int, channels: int) -> Task:
    """A task of channels without names of axes, in raw units."""
    return replace(
        MOTION,
        channels=tuple(f"c{index}" for index in range(channels)),
        units=("1",) * channels,
        window_shape=(length, channels),
        center=(0.0,) * channels,
        scale=(1.0,) * channels,
    )


def features(task: Task, values_N: NDArray[np.floating]) -> Floats:
    front = (ScaleFreeSeries if len(task.window_shape) == 2 else ScaleFreeRows)(task)
    found: Floats = front(torch.from_numpy(values_N.astype(np.float32))).numpy()
    assert found.shape == (len(values_N), front.size)
    return found


def extremes(task: Task) -> Floats:
    """Windows that a sensor should not send, and may."""
    drawn = np.random.default_rng(0).standard_normal((9, *task.window_shape))
    drawn[0] = 0
    drawn[1] = 7.25  # constant, as a dead channel is
    drawn[2] = LARGEST * np.sign(drawn[2])
    drawn[3] *= 1e30
    drawn[4] *= 1e-30
    drawn[5] *= 1e-44
    drawn[6] = 1e8 + drawn[6]
    drawn[7, ..., 0] = 0
    drawn[8] *= np.where(np.arange(task.window_shape[-1]) % 2, 1e12, 1e-12)
    values: Floats = drawn.astype(np.float32)
    return values


SHAPES = [series(8, 1), series(64, 2), series(128, 6), series(500, 1), series(12, 26), VECTOR]


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: "x".join(map(str, task.window_shape)))
def test_any_reading_gives_finite_rows_of_one_norm(task: Task) -> None:
    found = features(task, extremes(task))
    assert np.isfinite(found).all()
    assert np.square(found).sum(1) == pytest.approx(np.full(len(found), 128), rel=1e-3)


@pytest.mark.parametrize("task", SHAPES, ids=lambda task: "x".join(map(str, task.window_shape)))
def test_the_exported_model_agrees_on_any_reading(task: Task, tmp_path: Path) -> None:
    net = example("scale_free", task)
    with torch.no_grad():
        for parameter in net.body.parameters():
            parameter.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    lineage = Lineage("0.1.0", "run-1", 1, spec_of("scale_free"), {"unit": "none"})
    proof = export_onnx(net, task, tmp_path / "model.onnx", lineage, extremes(task))
    assert proof.parity < TOLERANCE / 10


def test_another_unit_changes_the_level_and_the_spread_alone() -> None:
    task = series(64, 3)
    values = np.random.default_rng(1).standard_normal((20, 64, 3)) + 0.3
    front = ScaleFreeSeries(task)
    plain, scaled = features(task, values), features(task, 1000 * values)
    named = {"level": slice(-3 - 9 - 6, -3 - 9), "spread": slice(-3 - 9 - 7, -3 - 9 - 6)}
    kept = np.ones(front.size, dtype=bool)
    for places in named.values():
        kept[places] = False
    parts = [part[:, kept] - part[:, kept].mean(1, keepdims=True) for part in (plain, scaled)]
    one, other = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts)
    np.testing.assert_allclose(one, other, atol=1e-5)
    assert np.abs(plain[:, ~kept] - scaled[:, ~kept]).max() > 0.1


def test_a_dead_channel_says_nothing_of_its_rounding() -> None:
    task = series(32, 2)
    values = np.random.default_rng(2).standard_normal((4, 32, 2))
    values[..., 1] = 0.1  # has no finite binary form
    first = features(task, values)
    values[..., 1] = np.nextafter(np.float32(0.1), np.float32(1))
    np.testing.assert_allclose(first, features(task, values), atol=1e-5)


def test_a_vector_in_another_unit_turns_its_angles_alone() -> None:
    task = replace(VECTOR, center=(0.0, 0.0))
    values = np.random.default_rng(3).lognormal(6, 1, (50, 2))
    front = ScaleFreeRows(task)
    angle_pairs = features(task, values).reshape(50, 2, 2, 2)  # unit, sine or cosine, channel
    turned = features(task, values * [1.0, 1000.0]).reshape(50, 2, 2, 2)
    assert front.size == 8
    one, other = (np.square(pairs).sum(2) for pairs in (angle_pairs, turned))
    np.testing.assert_allclose(one, other, rtol=1e-4)
    between = [np.arctan2(pairs[:, 1, 0, 1], pairs[:, 1, 1, 1]) for pairs in (angle_pairs, turned)]
    turns = np.mod(between[1] - between[0], 2 * np.pi)
    np.testing.assert_allclose(turns, np.log(1000) % (2 * np.pi), atol=1e-2)


def test_axes_are_grouped_by_name_else_by_threes() -> None:
    assert groups_of(MOTION) == ((0, 1, 2), (3, 4, 5))
    assert groups_of(series(8, 9)) == ((0, 1, 2), (3, 4, 5), (6, 7, 8))
    assert groups_of(series(8, 4)) == ((0, 1, 2, 3),)
    assert groups_of(series(8, 1)) == ((0,),)
    assert groups_of(series(8, 14)) == ()


@pytest.mark.parametrize(("frequencies", "most"), [(4, 8), (48, 48), (64, 16), (96, 48), (96, 8)])
def test_bands_grow_and_reach_every_frequency(frequencies: int, most: int) -> None:
    ends = band_ends(frequencies, most)
    widths = np.diff([0, *ends])
    assert ends[-1] == frequencies
    assert len(ends) <= most
    assert widths.min() >= 1
    assert (np.diff(widths) >= -1).all()


def test_a_tone_is_in_its_band_in_a_window_of_any_length() -> None:
    for length in (64, 192, 1000):
        task = series(length, 1)
        front = ScaleFreeSeries(task)
        tone = np.sin(2 * np.pi * 0.25 * np.arange(length))[None, :, None]
        bands = features(task, tone)[0, : front.bands.count]
        ends = band_ends(min(length, 192) // 2, front.bands.count)
        expected = int(np.searchsorted(ends, min(length, 192) // 4))
        assert abs(int(bands.argmax()) - expected) <= 1
