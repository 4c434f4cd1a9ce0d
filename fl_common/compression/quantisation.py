"""Compressed updates: an int8 code for each entry, of all entries or only of the largest.

An entry is ``code * scale`` with one scale for each array, so that a code of 127 is the array's
largest magnitude. With all entries (``share`` 1) rounding is stochastic, which makes each decoded
entry equal to the entry in expectation (QSGD: Alistarh et al. 2017, section 3.1). With the largest
``share`` of the entries over all arrays (top-k: Aji and Heafield 2017) codes are rounded to the
nearest, a bit mask says which entries they are, and the sender keeps what was not sent and adds it
to its next update (error feedback: Karimireddy et al. 2019, algorithm 2).

Names and shapes are not sent: the receiver knows them, and decodes to no others, whatever the bytes
say.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.rules import inside, require
from fl_common.vocabulary import Floats, Parameters

Layout = Mapping[str, tuple[int, ...]]
"""The shape of each array by name, in the model's order."""

_LARGEST_CODE = 127
_LARGEST = np.finfo(np.float32).max
_BLOCK = 1 << 16
"""Entries worked on at once: keeps the float64 copies of a large array within 512 KiB."""


@dataclass(frozen=True)
class Compression:
    """How updates travel: ``share`` of their entries, the largest ones; 1 sends all.

    Raises:
        InvalidConfiguration: a share outside (0, 1].
    """

    share: float

    def __post_init__(self) -> None:
        remedy = "Set it to 1 (int8) or, say, 0.1 (top-k)"
        require("compression.share", self.share, inside("(0, 1]"), remedy)

    @property
    def keeps_rest(self) -> bool:
        """Whether a sender keeps what it did not send for its next update."""
        return self.share < 1

    def entries(self, size: int) -> int:
        """The number of entries that are sent out of ``size``."""
        return math.ceil(self.share * size)


class Uniform(Protocol):
    """A source of uniform numbers in [0, 1), as ``numpy.random.Generator`` is."""

    def random(self, size: int) -> NDArray[np.float64]:
        """Shape (size,)."""
        ...


class _Nearest:
    """Offsets that make rounding down a rounding to the nearest."""

    def random(self, size: int) -> NDArray[np.float64]:
        return np.full(size, 0.5)


NEAREST: Uniform = _Nearest()


class PackedDelta(Mapping[str, Floats]):
    """A compressed change of parameters: named float32 arrays that are decoded on access.

    ``scales_A`` has a scale for each of A arrays, ``codes_K`` the K codes in the order of the
    entries, ``mask`` a bit for each entry (``numpy.packbits``, little), None if all are sent.

    Raises:
        ValueError: codes, scales or mask do not fit ``layout``; nothing is decoded.
    """

    def __init__(
        self,
        layout: Layout,
        scales_A: Floats,
        codes_K: NDArray[np.int8],
        mask: NDArray[np.uint8] | None,
    ) -> None:
        self.scales_A, self.codes_K, self.mask = scales_A, codes_K, mask
        self.layout = dict(layout)
        self._sizes = [math.prod(shape) for shape in self.layout.values()]
        self._check()

    @property
    def size(self) -> int:
        """Entries of the decoded change, over all arrays."""
        return sum(self._sizes)

    def fits(self, compression: Compression) -> bool:
        """Whether this has the form that ``compression`` gives."""
        all_sent = self.mask is None
        return all_sent != compression.keeps_rest and len(self.codes_K) == compression.entries(
            self.size
        )

    def __getitem__(self, name: str) -> Floats:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout)

    def __len__(self) -> int:
        return len(self.layout)

    def _check(self) -> None:
        if self.scales_A.shape != (len(self.layout),):
            raise ValueError(f"{self.scales_A.size} scales for {len(self.layout)} arrays")
        if not (np.isfinite(self.scales_A) & (self.scales_A >= 0)).all():
            raise ValueError("a scale is negative or not finite")
        kept = self.size
        if self.mask is not None:
            if self.mask.shape != (math.ceil(self.size / 8),):
                raise ValueError(f"a mask of {self.mask.size} bytes for {self.size} entries")
            if self.size % 8 and self.mask[-1] >> (self.size % 8):
                raise ValueError("the mask has bits beyond the last entry")
            kept = int(np.bitwise_count(self.mask).sum())
        if self.codes_K.shape != (kept,):
            raise ValueError(f"{self.codes_K.size} codes for {kept} entries")

    @cached_property
    def _arrays(self) -> dict[str, Floats]:
        codes_E = self.codes_K
        if self.mask is not None:
            codes_E = np.zeros(self.size, np.int8)
            codes_E[_unpacked(self.mask, self.size)] = self.codes_K
        arrays, start = {}, 0
        for (name, shape), size, scale in zip(
            self.layout.items(), self._sizes, self.scales_A, strict=True
        ):
            arrays[name] = _decoded(codes_E[start : start + size], scale).reshape(shape)
            start += size
        return arrays


def layout_of(parameters: Parameters) -> Layout:
    """Names and shapes of ``parameters``."""
    return {name: array.shape for name, array in parameters.items()}


def pack(delta: Parameters, compression: Compression, chance: Uniform) -> PackedDelta:
    """Compress ``delta``, finite float32; ``chance`` rounds: a generator, or ``NEAREST``.

    With a generator each decoded entry is within one scale of the entry sent, and equal to it in
    expectation; with ``NEAREST`` it is within half a scale.
    """
    flat_E = np.concatenate([array.reshape(-1) for array in delta.values()])
    mask_E = _largest(flat_E, compression) if compression.keeps_rest else None
    scales, codes, start = [], [], 0
    for array in delta.values():
        part = slice(start, start := start + array.size)
        values_K = flat_E[part] if mask_E is None else flat_E[part][mask_E[part]]
        scales.append(_scale(values_K))
        codes.append(_codes(values_K, scales[-1], chance))
    mask = None if mask_E is None else np.packbits(mask_E, bitorder="little")
    scales_A = np.array(scales, np.float32)
    return PackedDelta(layout_of(delta), scales_A, np.concatenate(codes), mask)


def _largest(flat_E: Floats, compression: Compression) -> NDArray[np.bool_]:
    """True for the entries of largest magnitude; among equal ones the first."""
    count, sizes_E = compression.entries(flat_E.size), np.abs(flat_E)
    least = np.partition(sizes_E, flat_E.size - count)[flat_E.size - count]
    mask_E: NDArray[np.bool_] = sizes_E > least
    mask_E[np.flatnonzero(sizes_E == least)[: count - int(mask_E.sum())]] = True
    return mask_E


def _scale(values_K: Floats) -> np.float32:
    """The least float32 with 127 of it at least the largest magnitude: no code is clipped."""
    largest = float(np.abs(values_K).max(initial=0.0))
    scale = np.float32(largest / _LARGEST_CODE)
    if float(scale) * _LARGEST_CODE < largest:
        scale = np.nextafter(scale, np.float32(math.inf))
    return scale


def _codes(values_K: Floats, scale: np.float32, chance: Uniform) -> NDArray[np.int8]:
    codes_K = np.zeros(values_K.size, np.int8)
    if scale == 0:
        return codes_K
    for start in range(0, values_K.size, _BLOCK):
        exact = values_K[start : start + _BLOCK].astype(np.float64) / float(scale)
        rounded = np.floor(exact + chance.random(exact.size))
        codes_K[start : start + _BLOCK] = np.clip(rounded, -_LARGEST_CODE, _LARGEST_CODE)
    return codes_K


def _decoded(codes_E: NDArray[np.int8], scale: np.float32) -> Floats:
    """``codes * scale`` in float32; a product that would overflow becomes the largest number."""
    with np.errstate(over="ignore"):
        values_E = codes_E.astype(np.float32) * scale
    return np.clip(values_E, -_LARGEST, _LARGEST, out=values_E)


def _unpacked(mask: NDArray[np.uint8], size: int) -> NDArray[np.bool_]:
    return np.unpackbits(mask, count=size, bitorder="little").view(np.bool_)
