"""``make bench-deploy``: the figures of a federation on real processes of this machine."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.deploy.idle import measure_idle
from benchmarks.deploy.overhead import measure_overhead
from benchmarks.deploy.page import to_markdown
from benchmarks.deploy.resume import measure_resume
from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts

_PARTS = "overhead,resume,idle"
_console = Console()


def measure(parts: list[str], rounds: int, kills: int, folder: Path) -> dict[str, Any]:
    """The figures of ``parts``."""
    calls = {
        "overhead": lambda place: measure_overhead(rounds),
        "resume": lambda place: measure_resume(place, kills),
        "idle": measure_idle,
    }
    found = {}
    for part in parts:
        place = folder / part
        place.mkdir()
        found[part] = calls[part](place)
        _console.print(part, found[part])
    return found


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deploy", description="Measure.")
    parser.add_argument("--parts", default=_PARTS, help=f"of {_PARTS}; results of others stay")
    parser.add_argument("--rounds", type=int, default=10, help="of either kind of site")
    parser.add_argument("--kills", type=int, default=5, help="of the ServerApp")
    parser.add_argument("--try-out", action="store_true", help="write no page")
    options, results = parser.parse_args(), ROOT / "benchmarks" / "deploy.json"
    found = json.loads(results.read_text()) if results.is_file() else {}
    found["machine"] = dict(facts())
    with TemporaryDirectory() as name:
        found |= measure(options.parts.split(","), options.rounds, options.kills, Path(name))
    if options.try_out:
        return
    results.write_text(json.dumps(found, indent=1) + "\n")
    (ROOT / "benchmarks" / "DEPLOY.md").write_text(to_markdown(found))
    _console.print("written: benchmarks/DEPLOY.md")


if __name__ == "__main__":
    main()
