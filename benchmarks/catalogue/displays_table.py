"""``python -m benchmarks.catalogue.displays_table``: how well a box reads displays, and the cost.

Pictures are drawn from a seed. RapidOCR, in an environment of its own, reads the same parts of
them. Writes docs/displays-table.md. Each row is kept as soon as it is there; ``--only`` measures
some of them again.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.catalogue.displays import KINDS, REGION, drawn
from benchmarks.catalogue.reading import SEED
from benchmarks.catalogue.table import OURS, content_of
from benchmarks.measuring.environments import ROOT, judge_python
from benchmarks.measuring.measure import ProcessFailed
from benchmarks.privacy.kept import KeptTable, arguments, table
from fl_common.telemetry import OFF

COUNT = 34
_LIMIT_S = 600.0
_JUDGE = ROOT / "benchmarks" / "judges" / "display_values.py"


@dataclass(frozen=True)
class Row:
    """Displays of a kind: how many were read right by a box and by RapidOCR, and alike."""

    name: str
    processor: str
    count: int
    right: int
    numbers: int
    unreadable: int
    judge: int
    alike: int
    milliseconds: float
    megabytes: float


def measure(kind: str) -> Row:
    """One line of the table.

    Raises:
        ProcessFailed: it could not be run.
    """
    shown = [*islice(drawn(kind, SEED), COUNT)]
    texts = [text for _, text in shown]
    with TemporaryDirectory() as folder:
        network = Path(folder, "network.onnx")
        network.write_bytes(content_of(OURS["text-reader"]))
        words = ("-m", "benchmarks.catalogue.reading", f"{network}", kind, f"{COUNT}")
        told = json.loads(_said(sys.executable, *words))
        left, top, width, height = REGION
        box = (left, top, left + width, top + height)
        parts = Path(folder, "parts.npy")
        np.save(parts, [np.asarray(picture.convert("L").crop(box)) for picture, _ in shown])
        judged = [text for text, _ in json.loads(_said(f"{judge_python('catalogue')}", f"{_JUDGE}",
                                                       f"{parts}"))]  # fmt: skip
    found = [one["text"] for one in told["found"]]
    values = [one.get("value") for one in told["found"]]
    return Row(
        kind, platform.machine(), COUNT,
        right=_same(found, texts),
        numbers=_same(values, [float(text) for text in texts]),
        unreadable=sum(one["kind"] == "display-unreadable" for one in told["found"]),
        judge=_same(judged, texts), alike=_same(found, judged),
        milliseconds=told["milliseconds"], megabytes=told["megabytes"],
    )  # fmt: skip


def _same(ones: Sequence[object], others: Sequence[object]) -> int:
    return sum(one == other for one, other in zip(ones, others, strict=True))


def _said(*command: str) -> str:
    environment = {**os.environ, **OFF}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, timeout=_LIMIT_S, env=environment
    )
    if done.returncode:
        raise ProcessFailed(f"{command[1:3]}: {done.stderr.strip()[-300:]}")
    return done.stdout


_INTRODUCTION = f"""# Displays that a box reads, measured

Pictures of 320 x 120 pixels, {COUNT} of each typeface, drawn from a seed: three to six digits, some
with a decimal point, in any colours, tilted by up to 2 degrees, blurred, unevenly lit and noisy. A
box [reads them](how-to/read-a-display.md) by `text-reader` and `display-read`, in grey and scaled
to 224 x 48. RapidOCR's own package is given the same part of each picture as it is, and reads it
without looking for text. A display counts as right if every character is; its number if that is.

`python -m benchmarks.catalogue.displays_table` measures it and writes this page; pip downloads
RapidOCR. Typefaces are Pillow's own and those of Debian's fonts-dejavu-core and
fonts-liberation."""
_CLOSING = """\
Time is that of the processor for one picture, from the bytes of a PNG to the event, of which the
sandbox has the most: it hands 32,256 numbers to the network. Memory is what the process takes at
most beyond what it takes before network and runner are loaded. Gaps between digits of seven
segments are read as spaces, which the number leaves out. With other seeds a few have a 1 that is
read as an I: such a text has no number."""


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    heads = ["typeface", "processor", "displays", "text right", "number right", "told unreadable",
             "RapidOCR right", "both alike", "ms for one picture", "memory, MB"]  # fmt: skip
    return "\n\n".join([_INTRODUCTION, table(heads, map(_line, rows)), _CLOSING, measured]) + "\n"


def _line(row: Row) -> list[str]:
    counts = (row.count, row.right, row.numbers, row.unreadable, row.judge, row.alike)
    figures = [f"{row.milliseconds:,.3g}", f"{row.megabytes:,.0f}"]
    return [row.name, row.processor, *(f"{count}" for count in counts), *figures]


TABLE = KeptTable("displays", "displays-table", KINDS, ("name", "processor"), Row, to_markdown)


def main() -> None:
    """Exit status 1 where one failed; what was measured stays."""
    options = arguments(__doc__ or "", KINDS).parse_args()

    def rows() -> Iterator[Row]:
        for name in options.only:
            yield measure(name)

    TABLE.fill(rows(), _line)


if __name__ == "__main__":
    main()
