"""A site's windows after the charge: read, and reduced to what was charged and fits the task.

Each window is judged by itself, so that one window more or less is one more or less here, too. And
nothing here raises: what can't be used is left out, and the site's owner is told.
"""

from collections.abc import Callable, Collection

import numpy as np

from fl_client.site.shortfalls import Shortfall, Shortfalls
from fl_common.vocabulary import Task, Windows
from models.kinds import kind_of

NOWHERE = "(unread)"
"""The block that is charged where a site could not say which blocks it has."""


def no_windows(task: Task) -> Windows:
    """The empty data set."""
    values = np.empty((0, *task.window_shape), np.float32)
    none = np.empty(0, np.int64)
    return Windows(values, none, none, ())


def declared_blocks(
    declare: Callable[[], Collection[str]] | None, read: Callable[[], Windows]
) -> tuple[str, ...]:
    """The blocks that are charged, whether they hold windows or not; never none, and never raises.

    ``declare`` is a box's; None: those that come with the windows of a simulated world.
    """
    if declare is not None:
        return tuple(declare())
    try:
        return tuple(read().blocks) or (NOWHERE,)
    except Exception:  # told when they are read to be used
        return (NOWHERE,)


def usable(
    site: str,
    read: Callable[[], Windows],
    task: Task,
    blocks: Collection[str] | None,
    told: Shortfalls,
    labelled: bool = True,
) -> Windows:
    """The windows of ``blocks`` (None: of all) that fit ``task``; none where they can't be read.

    Windows without labels (``labelled`` is false) are all taken.
    """
    try:
        windows = _fitting(site, read(), task, blocks, told, labelled)
    except Exception as error:
        told.note_error(site, Shortfall.UNREADABLE, error)
        return no_windows(task)
    if not len(windows):
        told.note(site, Shortfall.EMPTY, "no windows can be used")
        return no_windows(task)
    return windows


def _fitting(
    site: str,
    windows: Windows,
    task: Task,
    blocks: Collection[str] | None,
    told: Shortfalls,
    labelled: bool,
) -> Windows:
    fits_N = np.ones(len(windows), np.bool_)
    if labelled:
        if windows.values.shape != (len(windows), *task.window_shape):
            raise ValueError(f"windows of shape {windows.values.shape}, not of {task.window_shape}")
        fits_N = kind_of(task).fits_N(windows.labels)
    if not fits_N.all():
        detail = f"{int((~fits_N).sum())} windows have a label that the task lacks"
        told.note(site, Shortfall.UNFIT, detail)
    if blocks is not None and not set(windows.blocks) <= set(blocks):
        is_open_B = np.isin(windows.blocks, list(blocks))
        fits_N &= is_open_B[windows.block_of]
        told.note(site, Shortfall.OUTSIDE, "some windows are of days that are spent or not kept")
    return windows if fits_N.all() else windows.take(fits_N)
