"""No type that leaves a site can hold a window or a reading."""

import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord
from hypothesis import given
from hypothesis import strategies as st

from fl_client.release.gateway import release_update
from fl_common.plan import Instruction
from fl_common.vocabulary import (
    Evaluation,
    LocalUpdate,
    Parameters,
    Refusal,
    RefusalReason,
    RunningComponents,
    ShadowCounts,
    Windows,
)
from fl_common.wire import inventory as wire_running
from fl_common.wire import messages as wire
from tests.support.samples import WINDOW_PRIVACY, plan

LEAVES = (LocalUpdate, Refusal, Evaluation, ShadowCounts, RunningComponents)
HARMLESS = {str, int, float, bool, type(None), RefusalReason}
GLOBAL = {"weight": np.zeros((2, 3), np.float32), "bias": np.zeros(2, np.float32)}
SIZE = 8
"""Entries of ``GLOBAL``: updates travel as one flat array."""


def kinds(annotation: Any) -> set[Any]:
    """The plain types that a field of this annotation can hold; Parameters stay as they are."""
    if annotation == Parameters:
        return {Parameters}
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return set().union(*(kinds(part) for part in typing.get_args(annotation)))
    if typing.get_origin(annotation) is tuple:
        return set().union(*(kinds(part) for part in typing.get_args(annotation))) - {...}
    if is_dataclass(annotation):
        hints = typing.get_type_hints(annotation)
        return set().union(*(kinds(hints[field.name]) for field in fields(annotation)))
    return {annotation}


@pytest.mark.parametrize("leaving", LEAVES, ids=lambda kind: kind.__name__)
def test_the_types_that_leave_hold_names_numbers_and_parameters(leaving: type) -> None:
    assert kinds(leaving) - {Parameters} <= HARMLESS
    assert (Parameters in kinds(leaving)) == (leaving is LocalUpdate)


def test_the_walk_would_notice_a_window() -> None:
    assert not kinds(Windows) <= HARMLESS


updates = st.builds(
    LocalUpdate,
    site=st.text(max_size=20),
    run=st.text(max_size=20),
    round=st.integers(0, 2**31),
    delta=st.just(GLOBAL),
    weight=st.floats(0, 1e9),
    within_clip_norm=st.none() | st.booleans(),
)
refusals = st.builds(
    Refusal,
    site=st.text(max_size=20),
    run=st.text(max_size=20),
    round=st.integers(0, 2**31),
    reason=st.sampled_from(RefusalReason),
    detail=st.text(max_size=5000),
)
evaluations = st.builds(Evaluation, *[st.floats(0, 1e9)] * 3)
shadows = st.builds(ShadowCounts, *[st.floats(0, 1e9)] * 3)


@given(updates | refusals | evaluations | shadows)
def test_a_reply_has_one_head_of_scalars_and_arrays_only_with_an_update(
    answer: LocalUpdate | Refusal | Evaluation | ShadowCounts,
) -> None:
    content = wire.write_answer(answer)
    head, arrays = content["head"], content.get("arrays")
    assert isinstance(head, ConfigRecord)
    assert all(type(value) in (str, int, float, bool) for value in head.values())
    assert all(len(value) <= 2000 for value in head.values() if isinstance(value, str))
    assert set(content) <= {"head", "arrays", "packed"}
    assert (arrays is not None) == isinstance(answer, LocalUpdate)
    if arrays is not None:
        assert isinstance(arrays, ArrayRecord)
        assert {n: a.shape for n, a in arrays.items()} == {"values": (SIZE,)}


@given(st.sampled_from(["name", "shape", "type", "extra"]))
def test_an_update_with_anything_else_in_it_does_not_leave(smuggled: str) -> None:
    window = np.ones((8, 2), np.float32)
    deltas: dict[str, dict[str, Any]] = {
        "name": {"weight": GLOBAL["weight"], "window": GLOBAL["bias"]},
        "shape": {**GLOBAL, "weight": window},
        "type": {**GLOBAL, "weight": GLOBAL["weight"].astype(np.float64)},
        "extra": {**GLOBAL, "window": window},
    }
    delta = deltas[smuggled]
    instruction = Instruction(plan(WINDOW_PRIVACY), 1, GLOBAL)
    answer = release_update(LocalUpdate("a", "run", 1, delta, 1.0), instruction)
    assert isinstance(answer, Refusal)


DIGESTS = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), max_size=4).map(tuple)


@given(st.text(max_size=20), DIGESTS, DIGESTS)
def test_what_runs_travels_as_digests_alone(
    site: str, components: tuple[str, ...], on_trial: tuple[str, ...]
) -> None:
    running = RunningComponents(site, True, components, on_trial)
    content = wire_running.write_running(running)
    assert wire_running.read_running(content) == running
    spoilt = RunningComponents(site, True, (*components, "fell at 10:15"), on_trial)
    with pytest.raises(wire.WireError, match="no digest"):
        wire_running.read_running(wire_running.write_running(spoilt))
