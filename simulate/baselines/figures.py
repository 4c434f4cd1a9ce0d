"""How the figures of a comparison are said and drawn: accuracy in percent, others as they are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.kinds import Measure
from simulate.report.wording import measure_text, one_line, percent_text, points_text

_IN_PERCENT = "accuracy"


@dataclass(frozen=True)
class Figures:
    """Figures of ``measure`` at sites that learn ``noun`` ("windows" or "readings")."""

    measure: Measure
    noun: str

    @property
    def in_percent(self) -> bool:
        """Whether they are accuracies."""
        return self.measure.name == _IN_PERCENT

    def value(self, value: float) -> str:
        """``87.1%``, ``0.871`` or ``12.3 Cel``."""
        return percent_text(value) if self.in_percent else measure_text(self.measure, value)

    def change(self, difference: float, *, sign: bool = True) -> str:
        """``+12.3 points``, ``+0.123`` or ``-1.23 Cel``."""
        if self.in_percent:
            return points_text(difference, sign=sign)
        if not math.isfinite(difference):
            return "unknown"
        signs = "+" if sign else ""
        if self.measure.unit is None:
            return f"{difference:{signs}.3f}"
        unit = "" if self.measure.unit == "1" else f" {one_line(self.measure.unit)}"
        return f"{difference:{signs}.2g}{unit}"

    def between(self, together: float, alone: float) -> str:
        """What a site's model reaches with federating and without."""
        values = f"{self.value(together)} {{}} with federating and {self.value(alone)} without"
        if self.in_percent:
            return f"a site's model is right for {values.format(f'of its {self.noun}')}"
        title = one_line(self.measure.title)
        return f"the {title} of a site's model is {values.replace('{} ', '')}"

    def axis(self, lowest: float) -> Mapping[str, Any]:
        """The axis of values, of which ``lowest`` is the lowest."""
        if self.measure.unit is not None or not self.measure.higher_is_better:
            unit = self.measure.unit or "1"
            title = {} if unit == "1" else {"title": one_line(unit)}
            return {"rangemode": "tozero", **title}
        percent = {"tickformat": ".0%"} if self.in_percent else {}
        return {**percent, "range": [max(0.0, lowest - 0.05), 1.02]}

    @property
    def hover(self) -> str:
        """A value, as plotly's template has it."""
        if self.in_percent:
            return "%{y:.1%}"
        unit = self.measure.unit or "1"
        return "%{y:.4g}" + ("" if unit == "1" else f" {one_line(unit)}")
