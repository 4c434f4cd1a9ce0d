"""``python -m benchmarks.privacy.images``: MNIST under DP on one site, and what more sites cost.

The recipe is ``experiment=scatter_mnist``. A run takes some minutes.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.results import Level
from benchmarks.privacy.runs import command
from benchmarks.privacy.table import data_of, journal_of, keep, tried

SITES: Sequence[Sequence[str]] = (
    ("experiment=scatter_mnist",),
    ("experiment=scatter_mnist", "sites=10", "training.learning_rate=12"),
    ("experiment=scatter_mnist", "sites=100", "training.learning_rate=4"),
)
"""The more sites, the more noise in the mean of their updates, and the shorter the steps."""
_LIMIT_S = 3600.0


def measure(data: Path | None, seeds: int) -> list[Level]:
    """Each number of sites with each seed.

    Raises:
        ProcessFailed: a run failed.
    """
    machine, levels = facts(), []
    with journal_of("images", machine, len(SITES) * seeds).series() as journal:
        for overrides in SITES:
            asked = [[*overrides, f"seed={seed}"] for seed in range(seeds)]
            trials = [tried(one, data, _LIMIT_S, journal) for one in asked]
            levels.append(Level(command(overrides), tuple(trials), machine))
    return levels


def main() -> None:
    """Exit status 1 if a run failed; earlier results stay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many runs, from seed 0")
    options = data_of(parser)
    try:
        levels = measure(options.data and options.data.resolve(), options.seeds)
    except ProcessFailed as error:
        sys.exit(f"error: {error}")
    keep(lambda measured: measured.with_images(levels))


if __name__ == "__main__":
    main()
