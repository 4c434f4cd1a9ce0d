"""Keeps memory that training allocates and frees in every step with this process.

By default the C library gives a large block back to the operating system as soon as it is freed,
and each page of the next one costs a page fault: up to half of the time of small convolutions.
"""

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""``M_TRIM_THRESHOLD`` and ``M_MMAP_THRESHOLD`` of glibc's ``mallopt(3)``."""

_KEPT_BYTES = 1 << 30
_LARGEST_KEPT_BYTES = 16 << 20
"""Larger blocks, such as whole updates of large models, are returned at once."""


def keep_freed_memory() -> None:
    """Configure glibc's allocator; no-op with another C library."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES)
