"""Learning rates for images are chosen on training images that no run trains on."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy import image_rates, images
from benchmarks.privacy.image_rates import RATES, write_held_out


def test_the_last_training_images_judge_and_no_test_image_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_rates, "HELD_OUT", 2)
    split, labels = np.array([0, 1, 0, 0, 1, 0]), np.arange(6)
    np.savez(tmp_path / "mnist.npz", x=np.zeros((6, 28, 28), np.uint8), y=labels, split=split)
    (tmp_path / "held").mkdir()
    with np.load(write_held_out(tmp_path, tmp_path / "held")) as held_out:
        assert [*held_out["y"]] == [0, 2, 3, 5]
        assert [*held_out["split"]] == [0, 0, 1, 1]


def test_the_table_is_measured_with_rates_that_were_tried() -> None:
    assert {len(one) for one in images.SITES} == {1, 3}
    for words in images.SITES[1:]:
        sites, rate = (float(word.partition("=")[2]) for word in words[1:])
        assert rate in RATES[int(sites)]
