"""Measure functions in sandboxes: what a call, an instance and its memory cost, by language.

    make function-languages         # once: what builds JavaScript and C
    PATH="$PWD/.languages/bin:$PATH" .venv/bin/python -m benchmarks.edge.functions

Writes benchmarks/FUNCTIONS.md. Times of calls are the least of some, in this process: the machine's
other work does not count. Then two nodes take turns, one of them with rules.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.edge.rules import RULES, TURNS, measure_rules
from benchmarks.measuring.environments import ROOT
from benchmarks.measuring.machine import facts
from fl_common.files.whole import write_whole
from fl_common.functions.events import Predicted, Window
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import pin
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import function_of, program_in
from tests.support.languages import SOURCES, components
from tests.support.sandboxes import folder_of

_CALLS, _INSTANCES = 300, 20
_HEAD = """# Functions in sandboxes, measured

    make function-languages
    PATH="$PWD/.languages/bin:$PATH" .venv/bin/python -m benchmarks.edge.functions

One rule in three languages (`tests/languages/sources`): it counts windows, and tells each of one
label. *Prediction* is a call with a prediction of two labels, *window* the passing of a window of
128 x 6 numbers, which the rule ignores (in Python: fails at). Times are the least of 300 calls.
Compiling is done once on each machine.

"""
_COLUMNS = (
    "language", "file", "machine code", "compiled in", "instance", "its memory", "prediction",
    "window", "fuel of a prediction",
)  # fmt: skip

_SHAPES = """\
## Shapes

Each window has a new instance, which is counted here. The least of 300 calls.
"""
_RULES = """\
## A node with rules

Two nodes side by side, of which one has {rules} rules in Python (`functions/threshold-alarm`), take
{turns} short turns of {messages} messages under load, each first in every other one. Medians of the
turns. The share of the rate is that of the node with rules, of that of the node without in the same
turn.

| what | figure |
|---|---|
| share of the rate to the last prediction | {share:.2f} |
| the same in half of the turns | {lower:.2f} to {upper:.2f} |
| the same in all turns | {least:.2f} to {greatest:.2f} |
| CPU of a rule for a window, in the process of the functions | {host_ms:.2f} ms |
| CPU of a rule for a window, in the node | {node_ms:.2f} ms |
| seconds after the last prediction until all rules have seen all | {behind_s:.1f} s |
| memory that the process of the functions has alone | {memory_mb:.0f} MB |
| a second start, which compiles nothing | {second_start_s:.1f} s |
"""


def _least(call: Callable[[], object], times: int) -> float:
    """Seconds of the quickest of some calls."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def _row(language: str, folder: FunctionFolder, size: int) -> str:
    with TemporaryDirectory() as place:
        began = time.perf_counter()
        program = program_in(folder, Path(place))
        compiled = time.perf_counter() - began
        (code,) = Path(place).glob("*.machine")
        code_bytes = code.stat().st_size
    made: list[SandboxedFunction] = [function_of(folder.spec, program)]
    before = psutil.Process().memory_info().rss
    instance = _least(lambda: made.append(function_of(folder.spec, program)), _INSTANCES)
    memory = (psutil.Process().memory_info().rss - before) / _INSTANCES
    one = made[0]
    event = Predicted(0, 1, ("walk", "rest"), (0.75, 0.25), model="ab" * 32)
    window = Window(0, 1, tuple("abcdef"), [0.5] * 768)
    fuel = one.call(event, {}).fuel
    cells = (
        language, _bytes(size), _bytes(code_bytes), f"{compiled:.2f} s",
        f"{1000 * instance:.2f} ms", _bytes(max(0, int(memory))),
        f"{1000 * _least(lambda: one.call(event, {}), _CALLS):.2f} ms",
        f"{1000 * _least(lambda: one.call(window, {}), _CALLS):.2f} ms", f"{fuel:,}",
    )  # fmt: skip
    return _cells(cells)


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rows() -> Iterator[str]:
    settings = {"label": "walk"}
    source = (SOURCES / "rule.py.txt").read_bytes()
    in_python = folder_of(source, settings=settings)
    yield _row(f"Python, {len(source)} bytes in the runner", in_python, pin().bytes)
    for language, content in components().items():
        changes = {"form": "wasm", "file": "function.wasm", "settings": settings}
        yield _row(language, folder_of(content, **changes), len(content))


def _bytes(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"


def _shapes() -> Iterator[str]:
    """What each shipped shape takes for a window of 128 x 6 numbers."""
    yield from (_cells(["shape", "a window", "fuel"]), _cells(["---"] * 3))
    window = Window(0, 1, tuple("abcdef"), [0.5] * 768)
    for name in ("moving-average", "downsampling"):
        folder = FunctionFolder.read(ROOT / "functions" / name)
        with TemporaryDirectory() as place:
            shape = function_of(folder.spec, program_in(folder, Path(place)))
        fuel = shape.transform(window)[1].fuel
        seconds = _least(partial(shape.transform, window), _CALLS)
        yield _cells((name, f"{1000 * seconds:.2f} ms", f"{fuel:,}"))


def main() -> None:
    """Measure, and write the page."""
    told = ", ".join(f"{name} {value}" for name, value in facts().items())
    rows = [_cells(_COLUMNS), _cells(["---"] * len(_COLUMNS)), *_rows()]
    with TemporaryDirectory() as folder:
        rules = _RULES.format(rules=RULES, turns=TURNS, **measure_rules(Path(folder)))
    shapes = [_SHAPES, *_shapes(), ""]
    page = _HEAD + "\n".join([*rows, "", *shapes, rules, f"The machine: {told}.", ""])
    write_whole(Path(__file__).parents[1] / "FUNCTIONS.md", page.encode())


if __name__ == "__main__":
    main()
