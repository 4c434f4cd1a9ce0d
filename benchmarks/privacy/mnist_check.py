"""``python -m benchmarks.privacy.mnist_check``: Opacus' published accuracy on MNIST, by our path.

The published settings are ``experiment=opacus_mnist``; one site holds all training images, so that
federated training is central training. Takes some minutes for each seed.
"""

from pathlib import Path

from benchmarks.measuring.machine import facts
from benchmarks.privacy.results import Check, Measured, Published
from benchmarks.privacy.runs import command
from benchmarks.privacy.table import journal_of, program, trials_of

PUBLISHED = Published(
    source="Opacus' MNIST example"
    " (`examples/mnist_README.md`, `-n=15 --lr=.25 --sigma=1.3 -c=1.5 -sr=0.004`)",
    mean=0.9463,
    deviation=0.0034,
    runs=10,
    epsilon=1.19,
)
_OVERRIDES = ("experiment=opacus_mnist",)
_LIMIT_S = 3 * 3600.0


def measure(data: Path | None, seeds: int) -> Check:
    """The published settings with each seed.

    Raises:
        ProcessFailed: a run failed.
    """
    with journal_of("mnist", facts(), seeds).series() as journal:
        trials = trials_of(_OVERRIDES, seeds, data, _LIMIT_S, journal)
    return Check(command(_OVERRIDES), PUBLISHED, trials)


if __name__ == "__main__":
    program(__doc__, measure, Measured.with_check)
