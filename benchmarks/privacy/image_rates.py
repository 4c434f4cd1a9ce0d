"""``python -m benchmarks.privacy.image_rates``: rates for MNIST under DP on 1 to 100 sites.

The last 10,000 training images judge, and no run sees a test image. ``benchmarks.privacy.images``
measures with the best rates. A run takes some minutes.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measuring.machine import facts
from benchmarks.privacy.results import Measured, RateTrial
from benchmarks.privacy.runs import summaries
from benchmarks.privacy.table import program
from simulate.world.digits_files import NPZ, read_images

RATES = {1: (12.0, 24.0), 10: (3.0, 6.0, 12.0), 100: (1.0, 2.0, 4.0)}
"""By the number of sites; the more, the more noise in the mean of their updates."""
HELD_OUT = 10_000
_LIMIT_S = 3600.0


def overrides(sites: int, rate: float) -> Sequence[str]:
    """Of a run on so many sites."""
    return "experiment=scatter_mnist", f"sites={sites}", f"training.learning_rate={rate:g}"


def write_held_out(data: Path | None, folder: Path) -> Path:
    """A file in ``folder`` with the training images alone, the last of them as its test set."""
    train, _ = read_images(None if data is None else str(data))
    split_N = np.arange(len(train.labels_N)) >= len(train.labels_N) - HELD_OUT
    target = folder / NPZ
    np.savez(target, x=train.pixels_NHW, y=train.labels_N, split=split_N.astype(np.uint8))
    return target


def measure(data: Path | None, seeds: int) -> list[RateTrial]:
    """Each rate with each seed.

    Raises:
        ProcessFailed: a run failed.
    """
    commit = str(facts()["commit"])
    with TemporaryDirectory() as folder:
        held_out = write_held_out(data, Path(folder))
        return [
            RateTrial(sites, rate, fmean(one["accuracy"] for one in found), seeds, commit)
            for sites, rates in RATES.items()
            for rate in rates
            for found in [summaries(overrides(sites, rate), seeds, held_out, _LIMIT_S)]
        ]


if __name__ == "__main__":
    program(__doc__, measure, Measured.with_rates)
