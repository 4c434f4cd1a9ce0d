"""``python -m benchmarks.profile B1``: where a run of ours spends its processor time.

Runs the workload with one worker under Python's own profiler, on the clock of processor time, which
other programs disturb less than the wall clock. The profiler makes small functions look two or
three times as dear as they are: compare lines, don't add them up.
"""

import argparse
import cProfile
import runpy
import sys
import time
from pathlib import Path

from rich.console import Console

from benchmarks.measuring.environments import ROOT
from benchmarks.systems import Place
from benchmarks.workloads import COMPARED, MAIN, POPULATIONS, Job, Workload

_OURS = ("fl_client", "fl_common", "fl_server", "models", "simulate")
_SHOWN = 40

_console = Console(highlight=False, soft_wrap=True)


def profile(overrides: list[str], folder: Path) -> cProfile.Profile:
    """One run, from the first import to the report."""
    sys.argv = ["simulate", *overrides, "training=cohort", f"hydra.run.dir={folder}"]
    profiler = cProfile.Profile(time.process_time)
    profiler.enable()
    try:
        runpy.run_module("simulate", run_name="__main__")
    finally:
        profiler.disable()
    return profiler


def show(profiler: cProfile.Profile) -> None:
    """Our own functions by the time spent in and below them, and all time by package."""
    rows: list[tuple[float, int, str]] = []
    by_package: dict[str, float] = {}
    for entry in profiler.getstats():
        file = None if isinstance(entry.code, str) else Path(entry.code.co_filename)
        package = _package(file)
        by_package[package] = by_package.get(package, 0.0) + entry.inlinetime
        if package in _OURS and file is not None and not isinstance(entry.code, str):
            place = f"{file.relative_to(ROOT)}:{entry.code.co_firstlineno}"
            rows.append((entry.totaltime, entry.callcount, f"{place} {entry.code.co_qualname}"))
    _console.print("seconds in and below, calls, function")
    for seconds, calls, name in sorted(rows, reverse=True)[:_SHOWN]:
        _console.print(f"{seconds:8.3f} {calls:>10}  {name}")
    _console.print("\nseconds in, package")
    for package, seconds in sorted(by_package.items(), key=lambda item: -item[1])[:_SHOWN]:
        _console.print(f"{seconds:8.3f}  {package}")


def _package(file: Path | None) -> str:
    if file is None:
        return "built-in functions, torch's operators among them"
    if "site-packages" in file.parts:
        return file.parts[file.parts.index("site-packages") + 1]
    return file.relative_to(ROOT).parts[0] if file.is_relative_to(ROOT) else "Python's library"


def main() -> None:
    """Profile one workload."""
    parser = argparse.ArgumentParser()
    jobs: list[Workload | Job] = [*COMPARED, *POPULATIONS, MAIN]
    named = {job.name: job for job in jobs}
    parser.add_argument("workload", choices=sorted(named))
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    options = parser.parse_args()
    place = Place(options.data.resolve())
    show(profile(place.overrides(named[options.workload]), place.outputs("profile")))


if __name__ == "__main__":
    main()
