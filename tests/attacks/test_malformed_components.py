"""Components that are cut short, spoilt or made up: refused in one line, or run as any other."""

import random
from pathlib import Path

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.compiling import compile_apart
from fl_common.functions.sandbox.open import open_function
from fl_common.programs.limited_child import ChildLimits
from tests.support.hand_made import component
from tests.support.sandboxes import folder_of, predicted

WHOLE = component("")
HUGE = b"\xff\xff\xff\xff\x0f"
"""The largest count that WebAssembly can write."""


def spoilt() -> list[bytes]:
    """Of each kind some, always the same: cut short, with huge counts, with other bytes."""
    chance = random.Random(5)
    cut = [WHOLE[: len(WHOLE) * part // 16] for part in range(16)]
    places = [chance.randrange(8, len(WHOLE)) for _ in range(60)]
    counts = [WHOLE[:place] + HUGE + WHOLE[place + 1 :] for place in places]
    others = [
        WHOLE[:place] + bytes([chance.randrange(256)]) + WHOLE[place + 1 :] for place in places
    ]
    return [*cut, *counts, *others, WHOLE[:8] + b"\x01" + HUGE, WHOLE[:8] + chance.randbytes(5000)]


def test_what_is_spoilt_is_refused_in_one_line_or_runs_within_its_limits(tmp_path: Path) -> None:
    refused, failed = [], []
    for content in spoilt():
        given = folder_of(content, form="wasm", file="function.wasm", needs=["emit"])
        try:
            failed.append(open_function(given, tmp_path).call(predicted(), {}).failure)
        except InvalidData as error:
            refused.append(str(error))
    assert len(refused) > 70, "cut short and with huge counts, each"
    assert len(refused) + len(failed) == len(spoilt())
    assert not [one for one in refused if "\n" in one or len(one) > 800]
    assert not [one for one in failed if one is not None and "\n" in one.text]


@pytest.mark.parametrize("content", [WHOLE[:-20], WHOLE[:8] + b"\x01" + HUGE, b""])
def test_a_compilation_apart_says_so_too(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InvalidData) as refused:
        compile_apart(content, tmp_path, ChildLimits(120, 512))
    assert "\n" not in str(refused.value)
    assert "can't be compiled" in str(refused.value) or "is no component" in str(refused.value)
