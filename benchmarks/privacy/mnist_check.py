"""``python -m benchmarks.privacy.mnist_check``: Opacus' published accuracy on MNIST, by our path.

The published settings are ``experiment=opacus_mnist``; one site holds all training images, so that
federated training is central training. Takes some minutes for each seed.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.results import Check, Published
from benchmarks.privacy.runs import command
from benchmarks.privacy.table import data_of, journal_of, keep, tried

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
        asked = [[*_OVERRIDES, f"seed={seed}"] for seed in range(seeds)]
        trials = [tried(overrides, data, _LIMIT_S, journal) for overrides in asked]
    return Check(command(_OVERRIDES), PUBLISHED, tuple(trials))


def main() -> None:
    """Exit status 1 if a run failed; earlier results stay."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3, help="how many runs, from seed 0")
    options = data_of(parser)
    try:
        check = measure(options.data and options.data.resolve(), options.seeds)
    except ProcessFailed as error:
        sys.exit(f"error: {error}")
    keep(lambda measured: measured.with_check(check))


if __name__ == "__main__":
    main()
