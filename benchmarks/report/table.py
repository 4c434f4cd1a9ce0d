"""RESULTS.md: the rows of every workload, the figures to reach, and the machine."""

from collections.abc import Iterable, Sequence

from benchmarks.measuring.machine import Facts
from benchmarks.report.figures import Finding, findings
from benchmarks.report.results import LARGEST_DIFFERENCE, Results, Row, Spread, comparable
from benchmarks.workloads import BARE, BARE_CORES, COMPARED, OPACUS, OURS, Workload

_MIB = 2**20

_INTRODUCTION = f"""# Results

Written by `make bench`; `README.md` beside this file says how each figure is taken.

Times are the median of the runs, with the least and the largest in brackets. An *update* is the
training of one site in one round: the median round over its sites, evaluation not counted. *Loop*
is from the first round's start to the last one's end with all that lies between. *Whole process*
begins with the command and ends with its exit; ours contains the checkpoints, the published ONNX
model and the report. *Of bare* divides by the bare loop in one process, without DP, of the same
session. A row whose accuracy lies more than {LARGEST_DIFFERENCE * 100:.0f} point from the bare
loop's (with DP: from Opacus' in it), and further than chance explains (Welch's t-test at 5 %), is
not comparable.
"""

_WHY = "What stands in the way of a missed one: [the profile and its limits](README.md)."


def to_markdown(results: Results) -> str:
    """The whole page."""
    parts = [_INTRODUCTION, _machine(results.machine), _figures(findings(results))]
    parts += [_compared(w, results) for w in COMPARED if results.of_workload(w.name)]
    parts.append(_limits(results))
    parts += _alone(results)
    return "\n".join(parts)


def _machine(facts: Facts) -> str:
    return "\n".join(
        [
            "## The machine\n",
            _table(["fact", "value"], ([name, str(value)] for name, value in facts.items())),
        ]
    )


def _figures(found: Sequence[Finding]) -> str:
    rows = (
        [f.name, _bound(f.bound), "-" if f.measured is None else f"{f.measured:.3g}", f.verdict]
        for f in found
    )
    table = _table(["figure", "at most", "measured", ""], rows)
    return f"## Figures to reach\n\n{table}\n{_WHY}\n"


def _bound(bound: float) -> str:
    return f"1/{1 / bound:.3g} = {bound:.3g}" if bound < 1 else f"{bound:.3g}"


def _compared(workload: Workload, results: Results) -> str:
    """Rows beside the bare loop."""
    bare = results.row(workload.base, BARE)
    same = results.row(workload.name, OPACUS if workload.is_private else BARE)
    heads = ["system", "ms per update", "of bare", "loop s", "whole process s", "of bare"]
    rows = (_cells(row, bare, same) for row in results.of_workload(workload.name))
    title = f"## {workload.name}: {workload.title}\n"
    return "\n".join([title, _table([*heads, "peak MiB", "accuracy"], rows)])


def _cells(row: Row, bare: Row | None, same: Row | None) -> list[str]:
    if not row.runs:
        return [row.system, f"failed: {row.failure}", *["-"] * 6]
    return [
        row.system,
        _spread(row.update_s, 1e3),
        _of(row.update_s, bare.update_s if bare else None, row, same),
        _spread(row.of(lambda run: run.loop_s)),
        _spread(row.wall_s),
        _of(row.wall_s, bare.wall_s if bare else None, row, same),
        _memory(row),
        _spread(row.accuracies, form=".4f"),
    ]


def _of(value: Spread, base: Spread | None, row: Row, same: Row | None) -> str:
    if base is None or same is None:
        return "-"
    if not comparable(row, same):
        return "not comparable"
    return f"{value.median / base.median:.3g}"


def _limits(results: Results) -> str:
    """What the arithmetic of an update alone would take at the machine's peak."""
    peak = float(results.machine.get("product_gflops", 0)) * 1e9
    ours = {name: results.row(name, OURS) for name in results.operations}
    rows = [
        [name, f"{operations / 1e6:.4g}", f"{operations / peak * 1e3:.3g}",
         f"{row.update_s.median * 1e3:.3g}", f"{operations / peak / row.update_s.median:.1%}"]
        for name, operations in results.operations.items()
        if peak and (row := ours[name]) is not None
    ]  # fmt: skip
    heads = ["workload", "million operations", "ms at the peak", "ms, ours on one core", "of it"]
    return f"""## The arithmetic of one update

Operations of the forward and backward passes over a site's windows, counted by torch, and the time
that they would take at the speed of one core in a large matrix product. DP adds the clipping.

{_table(heads, rows)}
{_second_core(results)}"""


def _second_core(results: Results) -> str:
    """What two processes gain on this machine where nothing is shared: no program can gain more."""
    one, cores = results.row("B2", BARE), results.row("B2", BARE_CORES)
    if one is None or cores is None:
        return ""
    gain = one.update_s.median / cores.update_s.median
    return (
        f"The bare loop of B2, in processes that share nothing, is {gain:.2f} times as fast on"
        f" {results.machine.get('cores')} cores as on one: what this machine gives to anybody.\n"
    )


def _alone(results: Results) -> list[str]:
    """Workloads that only this project is measured on: the main job, and large populations."""
    names = {workload.name for workload in COMPARED}
    rows = [row for row in results.rows if row.workload not in names]
    if not rows:
        return []
    heads = ["job", "start-up s", "ms per round", "whole process s", "peak MiB"]
    return ["## This project alone\n", _table(heads, map(_alone_cells, rows))]


def _alone_cells(row: Row) -> list[str]:
    if not row.runs:
        return [row.workload, f"failed: {row.failure}", "-", "-", "-"]
    return [
        row.workload,
        _spread(row.of(lambda run: run.start_up_s or 0.0)),
        _spread(row.of(lambda run: run.round_s), 1e3),
        _spread(row.wall_s),
        _memory(row),
    ]


def _memory(row: Row) -> str:
    return f"{row.of(lambda run: run.peak_bytes).median / _MIB:.0f}"


def _spread(spread: Spread, scale: float = 1.0, form: str = ".3g") -> str:
    median, least, largest = (
        f"{value * scale:{form}}" for value in (spread.median, spread.least, spread.largest)
    )
    return median if least == largest else f"{median} ({least} to {largest})"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(heads), ["---"] * len(heads), *map(list, rows)]
    return (
        "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in r)} |" for r in lines) + "\n"
    )
