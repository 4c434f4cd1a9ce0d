"""Sentinels: readings, labels and names that occur only in a site's private data.

Each has the encodings in which it could leave: as numbers of several types in both byte orders, and
as text. Wrappings (base64, hex, compression) are handled by the search.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from fl_common.vocabulary import Floats, Integers, Task

READINGS = tuple(
    float(np.float32(value))
    for value in (141.4213562, 161.8033989, 223.6067977, 264.5751311, 331.6624790, 314.1592654)
)
"""Every planted window consists of these alone, in the sensor's unit.

None of them occurs by chance as a float32 in an update: see ``_stands_out``.
"""

NAMES = ("ward-7-otter-3141", "ward-9-heron-2718")
"""Planted as the names of blocks (recordings, days)."""

UNKNOWN_LABEL = 161803398
"""A label that no task has, planted where a site should refuse its own data."""

_EXPONENT_BYTES = {0x00, 0x80, *range(0x2F, 0x42), *range(0xAF, 0xC2)}
_ROW = 4
"""Consecutive readings that suffice, at two bytes each, to rule out chance."""
_LABELS = 32
_LEAST_LABELS = 24
_TEXT_DIGITS = range(2, 12)


@dataclass(frozen=True)
class Pattern:
    """Bytes to look for: ``what`` was planted, and its ``form``."""

    what: str
    form: str
    needle: bytes


def planted_values(count: int, shape: tuple[int, ...]) -> Floats:
    """Windows (count, *shape) of sentinel readings only; each begins at a different one."""
    size = int(np.prod(shape))
    place = (np.arange(size) + np.arange(count)[:, None]) % len(READINGS)
    values: Floats = np.array(READINGS, np.float32)[place].reshape(count, *shape)
    return values


def label_run(task: Task) -> Integers:
    """The labels (32,) planted at the first windows of a site: no two classes, no constant run."""
    generator = np.random.default_rng(31415926)
    return generator.integers(0, len(task.labels), _LABELS)


def patterns(task: Task) -> tuple[Pattern, ...]:
    """Every encoding of every sentinel for windows of ``task``, without duplicates."""
    found: dict[bytes, Pattern] = {}
    for pattern in (*_readings(task), *_labels(task), *_names()):
        found.setdefault(pattern.needle, pattern)
    return tuple(found.values())


def _readings(task: Task) -> Iterator[Pattern]:
    for value in READINGS:
        yield from _number(f"reading {value:.7g}", value)
    for start, stride in product(range(len(READINGS)), repeat=2):
        row = [READINGS[(start + stride * place) % len(READINGS)] for place in range(_ROW)]
        yield from _both_orders("readings in a row", "float16", "e", row)
        yield from _both_orders("readings in a row", "int16", "h", [round(v) for v in row])
        yield from _both_orders("readings in a row", "int32", "i", [round(v) for v in row])
    for center, scale in sorted({*zip(task.center, task.scale, strict=True)} - {(0.0, 1.0)}):
        for value in READINGS:
            yield from _number(f"reading {value:.7g}, normalised", (value - center) / scale)


def _number(what: str, value: float) -> Iterator[Pattern]:
    if _stands_out(value):
        yield from _both_orders(what, "float32", "f", [value])
    yield from _both_orders(what, "float64", "d", [value])
    yield from _both_orders(what, "float64", "d", [float(np.float32(value))])
    for text in _shortest(_texts(value)):
        yield Pattern(what, "decimal text", text.encode())


def _stands_out(value: float) -> bool:
    """True if the four bytes of ``value`` can't occur by chance in an array of float32.

    If none of its bytes can hold the exponent of a number that is zero or between 1e-10 and 32 in
    magnitude, it can't occur in an array of such numbers, at any offset.
    """
    return not _EXPONENT_BYTES & {*struct.pack("<f", value)}


def _labels(task: Task) -> Iterator[Pattern]:
    run = label_run(task).tolist()
    for form, code in (("int64", "q"), ("int32", "i"), ("int16", "h"), ("float32", "f")):
        yield from _both_orders("labels in a row", form, code, run[:_LEAST_LABELS])
    yield Pattern("labels in a row", "int8 or varint", bytes(run[:_LEAST_LABELS]))
    twice = b"".join(_varint(2 * label) for label in run[:_LEAST_LABELS])
    yield Pattern("labels in a row", "zigzag varint", twice)
    for gap in (", ", ",", " ", "\n", ""):
        yield Pattern("labels in a row", "text", gap.join(map(str, run[:_LEAST_LABELS])).encode())
    what = f"label {UNKNOWN_LABEL}"
    yield Pattern(what, "text", str(UNKNOWN_LABEL).encode())
    yield Pattern(what, "varint", _varint(UNKNOWN_LABEL))
    yield Pattern(what, "zigzag varint", _varint(2 * UNKNOWN_LABEL))
    for form, code in (("int32", "i"), ("float32", "f"), ("float64", "d")):
        yield from _both_orders(what, form, code, [UNKNOWN_LABEL])


def _names() -> Iterator[Pattern]:
    for name in NAMES:
        for encoding in ("utf-8", "utf-16-le", "utf-16-be"):
            yield Pattern(f"name {name}", encoding, name.encode(encoding))


def _both_orders(what: str, form: str, code: str, values: Sequence[float]) -> Iterator[Pattern]:
    for order, mark in (("little", "<"), ("big", ">")):
        needle = struct.pack(f"{mark}{len(values)}{code}", *values)
        yield Pattern(what, f"{form}, {order}-endian", needle)


def _texts(value: float) -> Iterator[str]:
    """As JSON or a print would write it: rounded or truncated, plain or with an exponent."""
    single = np.float32(value)
    for text in (str(single), repr(float(single))):
        yield text[:6]
        mantissa, _, _ = f"{value:.9e}".partition("e")
        yield mantissa[:7]
    for digits in _TEXT_DIGITS:
        yield f"{value:.{digits}f}"
        yield f"{value:.{digits + 2}e}".partition("e")[0]


def _shortest(texts: Iterable[str]) -> list[str]:
    """Those of ``texts`` that contain none of the others."""
    kept: list[str] = []
    for text in sorted(set(texts), key=len):
        if not any(shorter in text for shorter in kept):
            kept.append(text)
    return kept


def _varint(value: int) -> bytes:
    """Protocol Buffers' base 128 varint of a number that is not negative."""
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])
