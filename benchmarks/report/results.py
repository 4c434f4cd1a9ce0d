"""What was measured, as values and as JSON, and when two rows can be compared."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from scipy.stats import ttest_ind

from benchmarks.measuring.machine import Facts
from fl_common.files.whole import write_whole

LARGEST_DIFFERENCE = 0.01
"""Of final accuracies; see ``comparable``."""

_SIGNIFICANCE = 0.05
_FEWEST = 3
"""Runs, below which nothing is said of chance."""

_IDENTITY = ("cores", "processor", "torch")
"""Facts that differ between machines whose times can't stand in one table."""


@dataclass(frozen=True)
class Run:
    """One process, in seconds, bytes and a share.

    ``wall_s`` is all of it; ``round_s`` its median round (asking, training and averaging, no
    evaluation); ``loop_s`` from the first round's start to the last one's end with everything
    between; ``start_up_s`` what went before, where the system tells.
    """

    wall_s: float
    round_s: float
    loop_s: float
    start_up_s: float | None
    peak_bytes: int
    accuracy: float


@dataclass(frozen=True)
class Row:
    """All runs of one system on one workload; ``failure`` is why there are none."""

    workload: str
    system: str
    clients_per_round: int
    runs: tuple[Run, ...]
    failure: str | None = None

    def of(self, value: Callable[[Run], float]) -> "Spread":
        """Median, least and largest of a value over the runs."""
        return Spread.over([value(run) for run in self.runs])

    @property
    def update_s(self) -> "Spread":
        """Seconds per client update."""
        return self.of(lambda run: run.round_s / self.clients_per_round)

    @property
    def wall_s(self) -> "Spread":
        """Seconds of the whole process."""
        return self.of(lambda run: run.wall_s)

    @property
    def accuracy(self) -> float:
        """Median final accuracy."""
        return self.accuracies.median

    @property
    def accuracies(self) -> "Spread":
        """Final accuracies."""
        return self.of(lambda run: run.accuracy)


@dataclass(frozen=True)
class Spread:
    """Of repeated measurements."""

    median: float
    least: float
    largest: float

    @staticmethod
    def over(values: Sequence[float]) -> "Spread":
        """Of at least one value."""
        return Spread(median(values), min(values), max(values))


@dataclass(frozen=True)
class Results:
    """All rows, and the machine that they were measured on.

    ``operations`` are the floating-point operations of one client update, by workload.
    """

    machine: Facts
    rows: tuple[Row, ...]
    operations: dict[str, float] = field(default_factory=dict)

    def row(self, workload: str, system: str) -> Row | None:
        """The row with runs, if there is one."""
        found = [r for r in self.rows if (r.workload, r.system) == (workload, system) and r.runs]
        return found[0] if found else None

    def of_workload(self, workload: str) -> tuple[Row, ...]:
        """Rows of one workload, in order."""
        return tuple(row for row in self.rows if row.workload == workload)

    def replaced(
        self, rows: Iterable[Row], machine: Facts, operations: dict[str, float]
    ) -> "Results":
        """With ``rows`` for all earlier rows of the same workloads, and of other machines."""
        new = tuple(rows)
        measured = {row.workload for row in new}
        same = all(self.machine.get(name) == machine.get(name) for name in _IDENTITY)
        kept = tuple(row for row in self.rows if same and row.workload not in measured)
        ordered = tuple(sorted((*kept, *new), key=lambda row: row.workload))
        return Results(machine, ordered, {**self.operations, **operations})


def comparable(row: Row, reference: Row) -> bool:
    """Whether both ended with the same accuracy: within one point, or within chance.

    Chance is what Welch's t-test does not reject at 5 %: where the runs of one system, which differ
    in their seeds alone, swing by points, the medians of a few may lie as far apart.
    """
    if abs(row.accuracy - reference.accuracy) <= LARGEST_DIFFERENCE + 1e-9:
        return True
    ours, others = ([run.accuracy for run in each.runs] for each in (row, reference))
    if min(len(ours), len(others)) < _FEWEST:
        return False
    return bool(ttest_ind(ours, others, equal_var=False).pvalue > _SIGNIFICANCE)


def read_results(path: Path) -> Results:
    """What ``write_results`` wrote; nothing where there is no file."""
    if not path.exists():
        return Results({}, ())
    content = json.loads(path.read_text())
    rows = [
        Row(**{**fields, "runs": tuple(Run(**run) for run in fields["runs"])})
        for fields in content["rows"]
    ]
    return Results(content["machine"], tuple(rows), content["operations"])


def write_results(path: Path, results: Results) -> None:
    """As JSON, whole or not at all."""
    content = {
        "machine": results.machine,
        "operations": results.operations,
        "rows": [asdict(row) for row in results.rows],
    }
    write_whole(path, (json.dumps(content, indent=1) + "\n").encode())
