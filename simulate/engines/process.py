"""Process state that a run changes, and its restoration.

The caller may be a notebook, a service or another framework's app.
"""

import logging
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

_ONE_RUN = threading.RLock()


@contextmanager
def one_run() -> Iterator[None]:
    """One run at a time in a process, on one thread of torch: a second one waits for the first.

    A worker process per core beats threads on small nets (``engine.workers``), and one thread makes
    a result depend on no number of cores. Afterwards torch has as many threads as before.
    """
    with _ONE_RUN:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


@contextmanager
def quiet(*loggers: str, level: int = logging.ERROR) -> Iterator[None]:
    """Loggers of other libraries say nothing below ``level`` meanwhile."""
    kept = [(logger, logger.level) for logger in map(logging.getLogger, loggers)]
    for logger, _ in kept:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in kept:
            logger.setLevel(before)


@contextmanager
def environment(**values: str | None) -> Iterator[None]:
    """Variables of the environment meanwhile; those that are None are not set."""
    kept = {name: os.environ.get(name) for name in values}
    _set(values)
    try:
        yield
    finally:
        _set(kept)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
