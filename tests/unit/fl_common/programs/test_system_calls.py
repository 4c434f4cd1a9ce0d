"""The list of refused system calls: its numbers."""

import pytest

from fl_common.programs.system_calls import IN_PART, LAST_KNOWN, NUMBERS, OPTIONS


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_no_two_calls_have_one_number_and_none_is_beyond_the_last(machine: str) -> None:
    numbers = [*NUMBERS[machine].values(), *IN_PART[machine].values()]
    assert len(set(numbers)) == len(numbers)
    assert max(numbers) <= LAST_KNOWN
    assert OPTIONS.keys() < IN_PART[machine].keys()
