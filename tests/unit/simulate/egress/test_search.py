"""Sentinels are found in every form and wrapping, and nowhere else."""

import base64
import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from simulate.egress.search import search
from simulate.egress.sentinels import (
    NAMES,
    READINGS,
    UNKNOWN_LABEL,
    label_run,
    patterns,
    planted_values,
)
from tests.support import samples

TASK = replace(samples.TASK, center=(0.0, 9.0), scale=(1.0, 4.0))
PATTERNS = patterns(TASK)
WINDOW = planted_values(3, TASK.window_shape)[2]
RANDOM = np.random.default_rng(3)


def whats(data: bytes) -> set[str]:
    return {hit.pattern.what.split(",")[0].split(" ")[0] for hit in search(data, PATTERNS)}


def surrounded(data: bytes) -> bytes:
    return RANDOM.bytes(101) + data + RANDOM.bytes(57)


def test_every_pattern_is_found_where_it_stands() -> None:
    for pattern in PATTERNS:
        found = [h for h in search(surrounded(pattern.needle), PATTERNS) if h.pattern == pattern]
        assert [(hit.inside, hit.offset) for hit in found] == [((), 101)]


FORMS: dict[str, Callable[[np.ndarray[tuple[int, ...], np.dtype[np.float32]]], bytes]] = {
    "float32": lambda window: window.tobytes(),
    "float32 big-endian": lambda window: window.astype(">f4").tobytes(),
    "float64": lambda window: window.astype("<f8").tobytes(),
    "float16": lambda window: window.astype(np.float16).tobytes(),
    "int16": lambda window: np.rint(window).astype(np.int16).tobytes(),
    "int32": lambda window: np.rint(window).astype(">i4").tobytes(),
    "channels first": lambda window: window.T.astype(np.float16).tobytes(),
    "json": lambda window: json.dumps(window.tolist()).encode(),
    "json of float32": lambda window: str([str(value) for value in window.ravel()]).encode(),
    "two decimals": lambda window: ";".join(f"{v:.2f}" for v in window.ravel()).encode(),
    "exponents": lambda window: " ".join(f"{v:.4E}" for v in window.ravel()).encode(),
    "normalised": lambda window: ((window - 9.0) / 4.0).astype("<f4").tobytes(),
    "one reading": lambda window: window[5, 1].tobytes(),
    "one reading, float64": lambda window: window[5, 1].astype(np.float64).tobytes(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_window_is_found_in_any_form(form: str) -> None:
    kinds = whats(surrounded(FORMS[form](WINDOW)))
    assert kinds
    assert kinds <= {"reading", "readings"}


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "base64": base64.b64encode,
    "base64 for addresses": base64.urlsafe_b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 without padding": lambda data: base64.b64encode(data).rstrip(b"="),
    "hexadecimal": lambda data: data.hex().encode(),
    "HEXADECIMAL": lambda data: data.hex().upper().encode(),
    "zlib": zlib.compress,
    "zlib, quick": lambda data: zlib.compress(data, 1),
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "base64 of zlib": lambda data: base64.b64encode(zlib.compress(data)),
    "hexadecimal of base64 of gzip": lambda data: (
        base64.b64encode(gzip.compress(data)).hex().encode()
    ),
}


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("before", range(3))
def test_a_window_is_found_inside_any_wrapping(wrapping: str, before: int) -> None:
    """Bytes before it inside the wrapping move it through all three alignments of base64."""
    wrapped = WRAPPINGS[wrapping](b"x" * before + WINDOW.tobytes())
    hits = search(b"\x00detail: " + wrapped + b"\x00", PATTERNS)
    assert {hit.pattern.what for hit in hits} >= {f"reading {value:.7g}" for value in READINGS}
    outermost = wrapping.split(" ")[0].lower().rstrip(",").replace("lzma", "xz")
    assert all(hit.inside[:1] == (outermost,) for hit in hits)


def test_one_reading_alone_is_found_in_base64() -> None:
    for value in READINGS:
        for before in range(3):
            text = base64.b64encode(bytes(before) + np.float32(value).tobytes())
            assert search(b'{"v": "' + text + b'"}', PATTERNS)


def test_compressed_data_that_is_cut_off_is_read_as_far_as_it_goes() -> None:
    whole = zlib.compress(WINDOW.tobytes() + RANDOM.bytes(5000))
    assert search(whole[:1000], PATTERNS)


def test_labels_and_names_are_found() -> None:
    labels = label_run(TASK)
    for data in (
        labels.tobytes(),
        labels.astype(np.uint8).tobytes(),
        str(labels.tolist()).encode(),
    ):
        assert whats(surrounded(data)) == {"labels"}
    for data in (str(UNKNOWN_LABEL).encode(), np.int64(UNKNOWN_LABEL).tobytes()):
        assert whats(surrounded(data)) == {"label"}
    for name in NAMES:
        assert whats(surrounded(f"recordings/{name}.csv".encode())) == {"name"}


@pytest.mark.parametrize("size", [1e-9, 1e-3, 5.0])
def test_an_update_of_ordinary_numbers_holds_none_by_chance(size: float) -> None:
    numbers = np.random.default_rng(1).normal(0, size, 100_000).astype(np.float32)
    numbers = np.where(np.abs(numbers) < 1e-10, np.float32(0), numbers)
    for data in (numbers.tobytes(), numbers.astype(">f4").tobytes()):
        assert search(data, PATTERNS) == []


def test_sums_and_means_of_sentinels_are_none() -> None:
    windows = planted_values(50, TASK.window_shape)
    shares = np.random.default_rng(2).normal(size=50)
    mixed = np.tensordot(shares / 50, windows, axes=1).astype(np.float32)
    assert search(mixed.tobytes(), PATTERNS) == []
