"""Readings that a file lacks: refused, or their rows left out, or the last reading holds.

What happens to a row depends on that row alone, so that a window's presence changes no other: the
unit of differential privacy stays one window.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Floats
from simulate.world.tables import Flags
from simulate.world.tables.ranges import Place

REFUSE, DROP, HOLD = "refuse", "drop", "hold"
_MODES = (REFUSE, DROP, HOLD)
_WAYS = (
    "Set data.missing=drop to leave these rows out, or data.missing=hold to put the channel's last"
    " reading in their place (of rows of features: world.center)"
)


@dataclass(frozen=True)
class Filled:
    """``x`` with readings in place of the missing ones, and ``kept_N``, the rows that stay."""

    x: Floats
    kept_N: Flags
    notes: tuple[str, ...]


def check_mode(mode: Any) -> None:
    """Raise InvalidConfiguration unless ``mode`` is one of the three."""
    if mode not in _MODES:
        raise InvalidConfiguration(
            f"data.missing={mode}", f"must be one of {', '.join(_MODES)}", "Give one of these"
        )


def check_channels(source: str, x: Floats, names: Sequence[str]) -> None:
    """Raise InvalidData for a channel of ``x`` that has no finite reading in any row."""
    axis = 2 if x.ndim == 3 else 1
    others = tuple(place for place in range(x.ndim) if place != axis)
    empty = np.flatnonzero(~np.isfinite(x).any(axis=others)).tolist()
    if empty:
        name = names[empty[0]] if names else f"c{empty[0]}"
        raise InvalidData(
            f"{source}: channel {name}",
            "must have a reading in some row, and has only missing or infinite ones",
            "Leave it out: write the windows without it, or choose data.channels=[NAME,NAME]",
        )


def without_gaps(
    source: str,
    x: Floats,
    missing_N: Flags,
    mode: str,
    center: float | Sequence[float] | None,
    place: Place,
) -> Filled:
    """``x`` (N, ...) without readings that are not finite, by ``mode``.

    ``missing_N`` are the rows without a label or a site, which are left out unless they are
    refused; then the message tells the ``place`` of the first. ``hold``: of windows (T, C) a
    channel's last reading before it in the same window holds, and before its first one that one; a
    window without any of a channel is left out. Of vectors and images, of which a row has no
    earlier reading, the channel's ``center`` stands in.

    Raises:
        InvalidData: something is missing, and ``mode`` is ``refuse``.
    """
    odd: Flags = np.asarray(~np.isfinite(x))
    odd_N: Flags = np.asarray(odd.reshape(len(x), -1).any(axis=1))
    count = int((odd_N | missing_N).sum())
    if not count:
        return Filled(x, ~missing_N, ())
    if mode == REFUSE:
        raise _refused(source, x, odd_N | missing_N, missing_N, place)
    endless = int(np.isinf(x).sum())
    told = [f"{_readings(endless, 'infinite reading')} taken for missing"] if endless else []
    if mode == DROP:
        gone_N = odd_N | missing_N
        return Filled(x, ~gone_N, (*told, _dropped(odd, gone_N, mode)))
    filled, still_N = (
        _held(x, odd) if x.ndim == 3 else (_centred(x, odd, center), ~missing_N & False)
    )
    gone_N = still_N | missing_N
    notes = told
    if odd_N.any():
        notes.append(_told_held(odd, int((odd_N & ~gone_N).sum()), len(x), x.ndim))
    if gone_N.any():
        notes.append(_dropped(odd, gone_N, mode))
    return Filled(filled, ~gone_N, tuple(notes))


def _held(x_NTC: Floats, odd_NTC: Flags) -> tuple[Floats, Flags]:
    """The last reading of each channel in its window, or the first one; rows without any."""
    times_T = np.arange(x_NTC.shape[1])[None, :, None]
    last_NTC = np.maximum.accumulate(np.where(odd_NTC, -1, times_T), axis=1)
    first_N1C = np.argmax(~odd_NTC, axis=1)[:, None, :]
    held_NTC = np.take_along_axis(x_NTC, np.where(last_NTC < 0, first_N1C, last_NTC), axis=1)
    return held_NTC, np.asarray((~np.isfinite(held_NTC)).any(axis=(1, 2)))


def _centred(x: Floats, odd: Flags, center: float | Sequence[float] | None) -> Floats:
    """Vectors (N, C) or images (N, C, H, W) with the centre of the channel."""
    each_C = np.atleast_1d(np.asarray(0.0 if center is None else center, np.float32))
    if len(each_C) != x.shape[1]:
        each_C = each_C[:1]  # a number for all; a wrong count is refused with the declaration
    shaped = each_C.reshape(-1, *(1,) * (x.ndim - 2))
    return np.where(odd, shaped, x).astype(np.float32)


def _refused(source: str, x: Floats, bad_N: Flags, missing_N: Flags, place: Place) -> InvalidData:
    gaps, endless, words = int(np.isnan(x).sum()), int(np.isinf(x).sum()), int(missing_N.sum())
    what = [f"lack {_readings(gaps, 'reading')} (NaN or empty)"] if gaps else []
    what += [f"hold {_readings(endless, 'infinite reading')}"] if endless else []
    what += [f"lack the label or the site of {words} rows"] if words else []
    first = place(int(bad_N.argmax()))
    return InvalidData(
        f"{source}: {int(bad_N.sum())} of {len(bad_N)} rows (first: {first})",
        " and ".join(what),
        _WAYS,
    )


def _readings(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _dropped(odd: Flags, gone_N: Flags, mode: str) -> str:
    return (
        f"data.missing={mode}: {int(gone_N.sum())} of {len(gone_N)} rows are left out, which lack"
        f" {int(odd[gone_N].sum())} readings, a label or a site"
    )


def _told_held(odd: Flags, rows: int, of: int, axes: int) -> str:
    how = "the channel's last one in the window" if axes == 3 else "world.center (0 where null)"
    return (
        f"data.missing=hold: in {rows} of {of} rows {how} stands in for missing readings,"
        f" {int(odd.sum())} in all"
    )
