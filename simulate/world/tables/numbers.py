"""Numbers that are learnt in place of labels: checked."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.configuration.kinds import constructed
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.vocabulary import Floats, KindSpec, Task
from models.kinds import declared, kind_of


def declared_kind(section: Mapping[str, Any]) -> KindSpec:
    """The kind of the section ``task`` of a configuration.

    Raises:
        InvalidConfiguration: a key that is not known, or a value that the kind can't have.
    """
    return constructed("task", declared, section)


def declared_once(given: KindSpec, in_file: KindSpec) -> KindSpec:
    """The kind that ``data.task`` declares.

    Raises:
        InvalidConfiguration: another is declared beside it.
    """
    if given not in (KindSpec(), in_file):
        raise InvalidConfiguration(
            f"task.kind={given.name} beside data.task",
            "is declared twice",
            "Give it in that file alone",
        )
    return in_file


def numbers_of(source: str, y_N: NDArray[Any], task: Task) -> Floats:
    """The numbers as float32, all within the declared range.

    Raises:
        InvalidData: some are not.
    """
    kind, numbers_N = kind_of(task), y_N.astype(np.float32)
    if found := kind.why_unfit(numbers_N):
        outside = int((~kind.fits_N(numbers_N)).sum())
        raise InvalidData(
            f"{source}: {outside} of {len(y_N)} {found[0]}",
            found[1],
            "Declare a range that holds all that can be (task.range=[LOWEST,HIGHEST]), or cut the"
            " numbers to it",
        )
    return numbers_N
