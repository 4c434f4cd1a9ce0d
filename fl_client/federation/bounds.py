"""Bounds on a message that a server sends, which a box keeps while it pulls it."""

import threading
from collections.abc import Callable

from fl_common.errors import JoinTheDotsError

LARGEST_MESSAGE_BYTES, MOST_PARTS = 2**30, 10_000
"""Of a server's message, whose parameters bound what else a plan may ask for."""


class MessageTooLarge(JoinTheDotsError):
    """A message has more bytes than a box takes."""


class Bounded:
    """``pull`` for the parts of one message, of ``LARGEST_MESSAGE_BYTES`` in all.

    Raises:
        MessageTooLarge: with the part that is too much.
    """

    def __init__(self, pull: Callable[[str], bytes], most: int = LARGEST_MESSAGE_BYTES) -> None:
        self._pull, self._left, self._lock = pull, most, threading.Lock()

    def __call__(self, number: str) -> bytes:
        """The content of the part ``number``; any thread may ask."""
        content = self._pull(number)
        with self._lock:
            self._left -= len(content)
            if self._left < 0:
                raise MessageTooLarge("a message has more bytes than this box takes")
        return content
