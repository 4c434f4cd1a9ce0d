"""Commands that judge, and end with 1 where the judgment is no."""

from collections.abc import Iterator
from contextlib import contextmanager

from fl_common.errors import JoinTheDotsError


@contextmanager
def judging() -> Iterator[None]:
    """The judgment may be no; a refusal of bad input still ends the test."""
    try:
        yield
    except SystemExit as ended:
        if ended.code != JoinTheDotsError.exit_status:
            raise
