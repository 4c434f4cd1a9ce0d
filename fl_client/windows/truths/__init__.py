"""What windows on a box stand for: one file for each ``Truth`` that a kind of task names.

A kind says what a window of it stands for; here that is found, from the intervals that people
annotated or from the readings themselves. Whatever is found depends only on the set of intervals
and readings, never on the order in which they came, and of a window on its own time alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Annotation
from fl_client.windows import Slicing
from fl_client.windows.split import Labelled
from fl_client.windows.truths.ahead import Ahead
from fl_client.windows.truths.kept import Kept, Told
from fl_client.windows.truths.odd import Odd
from fl_client.windows.truths.readings import OfReadings
from fl_client.windows.truths.told import Label, Labels, Number
from fl_common.vocabulary import Integers, Task
from models.kinds import Truth, kind_of


class Truths(Protocol):
    """How the windows of one task come to what they stand for."""

    @property
    def expects(self) -> str:
        """What a label must be, for a person."""
        ...

    def why_unused(self, label: str) -> str | None:
        """Why an annotation's ``label`` tells nothing here, in a word; None: it does."""
        ...

    def told(
        self, starts_N: Integers, annotations: Sequence[Annotation], share: float
    ) -> Sequence[Told]:
        """What annotations tell of each window, as it is kept with it; None where nothing.

        ``share`` of what they tell of, above 0 and up to 1, must be covered.
        """
        ...

    def labels(self, told: Sequence[Told]) -> NDArray[Any]:
        """What the kind labels windows with (N, ...), of what is kept of N of them."""
        ...

    def known(self, kept: Kept) -> Labelled:
        """The kept windows of which it is known what they stand for."""
        ...

    def teaches_N(self, labels_N: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Which of such windows may be trained on; the others are counted with alone."""
        ...


_MAKE: Mapping[Truth, Callable[[Task, Slicing], Truths]] = {
    Truth.LABEL: Label,
    Truth.NUMBER: Number,
    Truth.SET: Labels,
    Truth.READINGS: OfReadings,
    Truth.AHEAD: Ahead,
    Truth.ODD: Odd,
}


def truths_of(task: Task, slicing: Slicing) -> Truths:
    """How windows of ``task``, cut by ``slicing``, come to what they stand for."""
    return _MAKE[kind_of(task).truth](task, slicing)
