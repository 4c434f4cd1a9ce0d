"""Figures in words."""

import math

import pytest

from simulate.report.wording import loss_text


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (0.0, "0.00"), (0.0012345, "0.0012"), (0.0999, "0.1"), (0.4123, "0.41"), (12.34, "12.3"),
        (123456.0, "1.2e+05"), (math.inf, "not finite"), (None, "not finite"),
    ],
)  # fmt: skip
def test_a_loss_has_two_digits_or_more_however_small(loss: float | None, text: str) -> None:
    assert loss_text(loss) == text
