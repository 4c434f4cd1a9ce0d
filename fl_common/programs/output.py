"""Standard output that may end before a program does: ``fl-simulate --help | head``."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

READER_LEFT = 141
"""The exit status of a program whose output nobody reads any more: that of SIGPIPE in a shell."""


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Write out all output at the end of the block; end quietly where its reader has left.

    SIGPIPE stays ignored: its default would end a server with the first connection that is cut.
    """
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with suppress(OSError, ValueError):  # what is left in a buffer is written at exit
            os.dup2(nowhere, sys.stdout.fileno())
        sys.exit(READER_LEFT)
