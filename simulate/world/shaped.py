"""A world whose windows go through a shape before the model, as they do on boxes."""

import logging
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from fl_common.configuration.paths import from_home
from fl_common.functions.limits import Limits
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.key import own_cache
from fl_common.functions.sandbox.open import open_function
from fl_common.functions.shape import Misshapen, given_window, made_values, shape_in
from fl_common.vocabulary import Floats, Windows
from models.tasks.shaped import shaped_by
from simulate.world import TestSet, notes_of, scale_source_of
from simulate.world.build import open_world

_SPAN_NS = 10**9
_logger = logging.getLogger(__name__)
_KEPT = 5000
"""Sites whose windows are kept, and so go through the shape once."""


class Shaped:
    """The world whose node is ``of`` (as YAML), with the shape in ``folder`` before the model.

    A window that the shape fails at, or makes no window of, is dropped, as on a box. Windows begin
    in 1970 and have no stream: a world knows neither.

    Raises:
        InvalidConfiguration, InvalidData: see ``models.tasks.shaped.shaped_by``.
    """

    def __init__(self, of: str, folder: str) -> None:
        self._world = open_world(of)
        self.task = shaped_by(self._world.task, folder)
        self.sites = self._world.sites
        self.scale_source = scale_source_of(self._world)
        self._function = _opened(from_home(folder))
        self._dropped = Counter[str]()
        self._kept = lru_cache(maxsize=_KEPT)(self._windows)
        self._test: TestSet | None = None
        if base := getattr(self._world, "base", ()):
            self.base = base

    @property
    def notes(self) -> tuple[str, ...]:
        """What the world says, which shape there is, and what it has dropped so far."""
        shape = self.task.shape
        assert shape is not None
        rows = self.task.window_shape[0]
        said = f"windows go through the shape {shape}: {shape.readings} readings become {rows}"
        told = [f"{count:,} windows dropped: {why}" for why, count in self._dropped.items()]
        return (*notes_of(self._world), said, *told)

    def windows(self, index: int) -> Windows:
        """Training windows of site ``index``; the same object each time while it is kept."""
        return self._kept(index)

    def test(self) -> TestSet:
        """The central test set."""
        if self._test is None:
            raw = self._world.test()
            values, made_N = self._made(raw.windows.values)
            windows = replace(raw.windows.take(made_N), values=values)
            groups, group_of = np.unique(raw.group_of[made_N], return_inverse=True)
            names = tuple(raw.groups[group] for group in groups)
            self._test = TestSet(windows, group_of.astype(np.int64), names)
        return self._test

    def _windows(self, index: int) -> Windows:
        raw = self._world.windows(index)
        values, made_N = self._made(raw.values)
        return replace(raw.take(made_N), values=values)

    def _made(
        self, values_NTC: Floats
    ) -> tuple[Floats, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
        """What the shape makes of windows, and of which it makes something."""
        made = [self._of_one(values_TC) for values_TC in values_NTC]
        some = [one for one in made if one is not None]
        found = np.stack(some) if some else np.empty((0, *self.task.window_shape), np.float32)
        return found, np.array([one is not None for one in made], np.bool_)

    def _of_one(self, values_TC: Floats) -> Floats | None:
        cut, rows = self.task.as_cut, self.task.window_shape[0]
        length_ns = round(len(values_TC) / (cut.rate_hz or 1.0) * _SPAN_NS)
        window, outcome = self._function.transform(given_window(cut, values_TC, 0, length_ns, ""))
        if window is None:
            self._drop(outcome.failure.text if outcome.failure else "nothing")
            return None
        try:
            return made_values(cut, window.channels, list(window.values), rows)
        except Misshapen as error:
            self._drop(f"it made {error}")
            return None

    def _drop(self, why: str) -> None:
        if not self._dropped[why]:
            _logger.warning("a window is dropped by the shape %s: %s", self.task.shape, why)
        self._dropped[why] += 1


def _opened(folder: Path) -> SandboxedFunction:
    """The function, with more time than its own: a machine with many processes is slower."""
    place = own_cache()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    whole = shape_in(folder)
    limits: Limits = replace(whole.spec.limits, milliseconds=600_000)
    return open_function(replace(whole, spec=replace(whole.spec, limits=limits)), place)
