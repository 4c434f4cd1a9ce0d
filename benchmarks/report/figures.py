"""The target figures, and the measurement for each."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.report.results import Results, Row, comparable
from benchmarks.workloads import (
    BARE,
    BARE_CORES,
    FLOWER,
    OPACUS,
    OPACUS_CORES,
    OURS,
    OURS_CORES,
    PFL,
)

Value = Callable[[Row], float]


def update_s(row: Row) -> float:
    """Seconds per client update."""
    return row.update_s.median


def wall_s(row: Row) -> float:
    """Seconds of the whole process."""
    return row.wall_s.median


def start_up_s(row: Row) -> float:
    """Seconds to the first round."""
    return row.of(lambda run: run.start_up_s or 0.0).median


@dataclass(frozen=True)
class Ratio:
    """``value`` of one row over that of another must be at most ``bound``.

    ``same_work`` requires equal accuracy; not if DP is compared with training without it.
    """

    name: str
    value: Value
    ours: tuple[str, str]
    other: tuple[str, str]
    bound: float
    same_work: bool = True


@dataclass(frozen=True)
class Limit:
    """``value`` of a row must be at most ``bound`` seconds."""

    name: str
    value: Value
    ours: tuple[str, str]
    bound: float


@dataclass(frozen=True)
class Finding:
    """A figure as measured; ``measured`` is None with the reason in ``verdict``."""

    name: str
    bound: float
    measured: float | None
    verdict: str


FIGURES: tuple[Ratio | Limit, ...] = (
    Ratio("B1: update, of the bare loop", update_s, ("B1", OURS), ("B1", BARE), 1 / 10),
    Ratio("B1: update, of Flower on Ray", update_s, ("B1", OURS), ("B1", FLOWER), 1 / 90),
    Ratio("B1: update, of pfl", update_s, ("B1", OURS), ("B1", PFL), 1 / 10),
    Ratio("B1: whole process, of Flower on Ray", wall_s, ("B1", OURS), ("B1", FLOWER), 1 / 12),
    Ratio(
        "B2 with DP, all cores: update, of the bare loop without DP",
        value=update_s,
        ours=("B2-DP", OURS_CORES),
        other=("B2", BARE_CORES),
        bound=1.0,
        same_work=False,
    ),
    Ratio(
        "B2 with DP, one core: update, of the bare loop without DP",
        value=update_s,
        ours=("B2-DP", OURS),
        other=("B2", BARE),
        bound=1.0,
        same_work=False,
    ),
    Ratio(
        "B2 with DP, all cores: update, of Opacus in the bare loop",
        value=update_s,
        ours=("B2-DP", OURS_CORES),
        other=("B2-DP", OPACUS_CORES),
        bound=1 / 2,
    ),
    Ratio(
        "B2 with DP, one core: update, of Opacus in the bare loop",
        value=update_s,
        ours=("B2-DP", OURS),
        other=("B2-DP", OPACUS),
        bound=1 / 2,
    ),
    Ratio(
        "B2: a worker per core, of one worker",
        value=update_s,
        ours=("B2", OURS_CORES),
        other=("B2", OURS),
        bound=1 / 1.8,
    ),
    Ratio(
        "B2 with DP: a worker per core, of one worker",
        value=update_s,
        ours=("B2-DP", OURS_CORES),
        other=("B2-DP", OURS),
        bound=1 / 1.8,
    ),
    Ratio("B3: update, of the bare loop", update_s, ("B3", OURS), ("B3", BARE), 1 / 5),
    Ratio("B4: update, of the bare loop", update_s, ("B4", OURS), ("B4", BARE), 1.0),
    Ratio(
        "B4 with DP: update, of the bare loop without DP",
        value=update_s,
        ours=("B4-DP", OURS),
        other=("B4", BARE),
        bound=1.3,
        same_work=False,
    ),
    Limit("make simulate: whole process, seconds", wall_s, ("main job", OURS), 60.0),
    Limit("make simulate: start-up, seconds", start_up_s, ("main job", OURS), 6.0),
)


def findings(results: Results) -> list[Finding]:
    """Every figure against the available rows."""
    return [_finding(figure, results) for figure in FIGURES]


def _finding(figure: Ratio | Limit, results: Results) -> Finding:
    ours = results.row(*figure.ours)
    other = results.row(*figure.other) if isinstance(figure, Ratio) else None
    if ours is None or (isinstance(figure, Ratio) and other is None):
        return Finding(figure.name, figure.bound, None, "not measured")
    measured = figure.value(ours)
    if isinstance(figure, Ratio) and other is not None:
        if figure.same_work and not comparable(ours, other):
            return Finding(figure.name, figure.bound, None, "not comparable")
        measured /= figure.value(other)
    verdict = "reached" if measured <= figure.bound else "missed"
    return Finding(figure.name, figure.bound, measured, verdict)
