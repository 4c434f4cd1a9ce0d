"""A history of draws of noise, which notices a generator that repeats itself.

A repeated draw cancels: the difference of two updates with the same noise has none. A generator may
be frozen, have a short period, or begin with the same seed after each start of the process.
"""

from collections.abc import Hashable, Iterable
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from fl_common.errors import PrivacyViolation

DIGEST_BYTES = 8
MOST_DRAWS = 2**17
"""How many draws are remembered. By chance alone two of that many share a digest once in 2^31."""
_HEAD = 16
_FEWEST_BITS = 64


class DrawHistory:
    """The last ``MOST_DRAWS`` draws of a process, and those of others that it has learnt of."""

    def __init__(self) -> None:
        self._drawn_for: dict[bytes, Hashable] = {}
        self._fresh: list[bytes] = []

    def check(self, noise_E: NDArray[np.floating], drawn_for: Hashable | None) -> None:
        """Raise PrivacyViolation if ``noise_E`` begins like an earlier draw.

        ``drawn_for`` names what seeded noise was drawn for, which may be drawn again for the same;
        None for noise without a seed. A draw of one or two numbers is too short to be told apart.
        """
        head = noise_E[:_HEAD]
        if head.size * (np.finfo(head.dtype).nmant + 1) < _FEWEST_BITS:
            return
        digest = blake2b(head.tobytes(), digest_size=DIGEST_BYTES).digest()
        if digest not in self._drawn_for:
            self._add(digest, drawn_for)
            if drawn_for is None:
                self._fresh.append(digest)
        elif drawn_for is None or self._drawn_for[digest] != drawn_for:
            raise PrivacyViolation(
                "the same noise was drawn twice: the generator is frozen, or begins with the same"
                " seed again. Nothing is released."
            )

    def learn(self, digests: Iterable[bytes]) -> None:
        """Add draws without a seed of another process."""
        for digest in digests:
            self._add(digest, None)

    def take_fresh(self) -> list[bytes]:
        """The digests of the draws without a seed since the last call."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def forget(self) -> None:
        """Forget all draws, as a new process has."""
        self._drawn_for, self._fresh = {}, []

    def _add(self, digest: bytes, drawn_for: Hashable) -> None:
        self._drawn_for[digest] = drawn_for
        if len(self._drawn_for) > MOST_DRAWS:
            del self._drawn_for[next(iter(self._drawn_for))]


DRAWS = DrawHistory()
"""The draws of this process."""
