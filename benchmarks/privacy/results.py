"""What the privacy table, the cost of DP and the check on MNIST have measured, kept as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import Facts
from simulate.report.results import write_text

KEPT = ROOT / "benchmarks" / "privacy.json"
PAGE = ROOT / "docs" / "privacy-table.md"


@dataclass(frozen=True)
class Promise:
    """What a run promised: the plan's values, and what they cost all in all.

    ``epsilon`` is composed over the run, the highest over sites; ``epsilon_reading`` is that of
    one reading, which sits in several windows. ``steps`` are those of one round.
    """

    limit: float
    epsilon: float
    epsilon_reading: float
    delta: float
    noise_multiplier: float
    clip_norm: float
    sampling_rate: float
    steps: int
    accountant: str


@dataclass(frozen=True)
class Trial:
    """One run; ``promise`` is None without DP. ``wall_s`` is the whole process."""

    seed: int
    rounds: int
    accuracy: float
    wall_s: float
    promise: Promise | None


@dataclass(frozen=True)
class Level:
    """The runs at one limit of epsilon, or without DP, that differ by their seed alone."""

    command: str
    trials: tuple[Trial, ...]
    machine: Facts

    @property
    def limit(self) -> float | None:
        """The limit of epsilon; None without DP."""
        promise = self.trials[0].promise
        return promise.limit if promise else None

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return fmean(trial.accuracy for trial in self.trials)

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracy over seeds; 0.0 for one seed."""
        return stdev(t.accuracy for t in self.trials) if len(self.trials) > 1 else 0.0


@dataclass(frozen=True)
class Cost:
    """Seconds of the median round of each run, with DP and without, taken in turns.

    ``work`` says what a round is, the same for both.
    """

    name: str
    work: str
    commands: tuple[str, str]
    private_s: tuple[float, ...]
    plain_s: tuple[float, ...]
    machine: Facts

    @property
    def ratio(self) -> float:
        """Of the medians."""
        return median(self.private_s) / median(self.plain_s)


@dataclass(frozen=True)
class Published:
    """An accuracy that others have published, its standard deviation over ``runs``, and epsilon."""

    source: str
    mean: float
    deviation: float
    runs: int
    epsilon: float


@dataclass(frozen=True)
class Check:
    """Our runs of settings that others have published."""

    command: str
    published: Published
    trials: tuple[Trial, ...]

    @property
    def mean(self) -> float:
        """Our mean accuracy."""
        return fmean(trial.accuracy for trial in self.trials)


@dataclass(frozen=True)
class RateTrial:
    """A learning rate for images on so many sites, judged by training images that were held out."""

    sites: int
    rate: float
    accuracy: float
    seeds: int
    commit: str


@dataclass(frozen=True)
class Measured:
    """Everything on the page. Parts that were never measured are empty."""

    levels: tuple[Level, ...] = ()
    costs: tuple[Cost, ...] = ()
    check: Check | None = None
    images: tuple[Level, ...] = ()
    rates: tuple[RateTrial, ...] = ()

    def with_levels(self, levels: Sequence[Level]) -> "Measured":
        """With these for all earlier ones."""
        return replace(self, levels=tuple(levels))

    def with_costs(self, costs: Sequence[Cost]) -> "Measured":
        """With these for all earlier ones."""
        return replace(self, costs=tuple(costs))

    def with_images(self, images: Sequence[Level]) -> "Measured":
        """With these for all earlier ones."""
        return replace(self, images=tuple(images))

    def with_rates(self, rates: Sequence[RateTrial]) -> "Measured":
        """With these for all earlier ones."""
        return replace(self, rates=tuple(rates))

    def with_check(self, check: Check) -> "Measured":
        """With this for an earlier one."""
        return replace(self, check=check)


def read_measured(path: Path) -> Measured:
    """What ``write_measured`` wrote; nothing where there is no file."""
    if not path.exists():
        return Measured()
    content = json.loads(path.read_text("utf-8"))
    return Measured(
        _read_levels(content["levels"]),
        tuple(_cost(cost) for cost in content["costs"]),
        _check(content["check"]) if content["check"] else None,
        _read_levels(content.get("images", [])),
        tuple(RateTrial(**one) for one in content.get("rates", [])),
    )


def write_measured(path: Path, measured: Measured) -> None:
    """As JSON, whole or not at all."""
    write_text(path, json.dumps(asdict(measured), indent=1, allow_nan=False) + "\n")


def trial_of(fields: dict[str, Any]) -> Trial:
    """The trial that ``asdict`` took apart."""
    return Trial(**{**fields, "promise": fields["promise"] and Promise(**fields["promise"])})


def _read_levels(kept: Sequence[dict[str, Any]]) -> tuple[Level, ...]:
    return tuple(Level(**{**level, "trials": _trials(level)}) for level in kept)


def _trials(fields: dict[str, Any]) -> tuple[Trial, ...]:
    return tuple(map(trial_of, fields["trials"]))


def _cost(fields: dict[str, Any]) -> Cost:
    names = ("commands", "private_s", "plain_s")
    return Cost(**{**fields, **{name: tuple(fields[name]) for name in names}})


def _check(fields: dict[str, Any]) -> Check:
    return Check(fields["command"], Published(**fields["published"]), _trials(fields))
