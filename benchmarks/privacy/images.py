"""``python -m benchmarks.privacy.images``: MNIST under DP on one site, and what more sites cost.

The recipe is ``experiment=scatter_mnist``. A run takes some minutes.
"""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.measuring.machine import facts
from benchmarks.privacy.results import Level, Measured
from benchmarks.privacy.runs import command
from benchmarks.privacy.table import journal_of, program, trials_of

SITES: Sequence[Sequence[str]] = (
    ("experiment=scatter_mnist",),
    ("experiment=scatter_mnist", "sites=10", "training.learning_rate=6"),
    ("experiment=scatter_mnist", "sites=100", "training.learning_rate=1"),
)
"""The best rates of ``benchmarks.privacy.image_rates``, which sees no test image."""
_LIMIT_S = 3600.0


def measure(data: Path | None, seeds: int) -> list[Level]:
    """Each number of sites with each seed.

    Raises:
        ProcessFailed: a run failed.
    """
    machine = facts()
    with journal_of("images", machine, len(SITES) * seeds).series() as journal:
        return [
            Level(command(one), trials_of(one, seeds, data, _LIMIT_S, journal), machine)
            for one in SITES
        ]


if __name__ == "__main__":
    program(__doc__, measure, Measured.with_images)
