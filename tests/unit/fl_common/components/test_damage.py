"""Damage of every kind: never a traceback, never anything else than was signed."""

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import ComponentError, InvalidData
from fl_common.functions import read_function
from tests.support.repositories import World
from tests.support.sites import released, site

DAMAGE = st.tuples(
    st.integers(0, 10**6),
    st.floats(0, 1),
    st.sampled_from(["flip", "cut", "replace", "insert"]),
    st.binary(min_size=1, max_size=20),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Component]:
    world = World(tmp_path_factory.mktemp("published"))
    world.created()
    return world, world.add(b"content " * 40)


@pytest.fixture(scope="module")
def runnable(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Component]:
    world = World(tmp_path_factory.mktemp("runnable"))
    world.created()
    return world, released(world, answer=1)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(damage=DAMAGE)
def test_damage_gives_an_error_in_one_line_or_the_right_component(
    published: tuple[World, Component], damage: tuple[int, float, str, bytes]
) -> None:
    """One file of the repository is damaged; the site never gets anything else than was signed."""
    world, added = published
    file, whole, broken = _damage_of(world, damage)
    lines: list[str] = []
    reader = world.reader(name=f"site-{os.urandom(6).hex()}")
    try:
        file.write_bytes(broken)
        reader.refresh()
        found = reader.current(Kind.MODEL, "activity", Stage.TESTING)
        assert found == added
        assert (reader.fetch(found) / "model.onnx").read_bytes() == b"content " * 40
    except ComponentError as error:
        lines.append(str(error))
        assert reader.held(added.digest) is None
    finally:
        file.write_bytes(whole)
    assert not any("\n" in line for line in lines)


@pytest.mark.slow
@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(damage=DAMAGE)
def test_damage_never_activates_another_model(
    runnable: tuple[World, Component], damage: tuple[int, float, str, bytes]
) -> None:
    """What a node does with it: its follower never raises, and its slot has the model or none."""
    world, component = runnable
    file, whole, broken = _damage_of(world, damage)
    box = site(world, f"site-{os.urandom(6).hex()}")
    try:
        file.write_bytes(broken)
        box.follower.poll()
    finally:
        file.write_bytes(whole)
    wanted = box.slot.current()
    assert wanted in (None, component.files[0].sha256)
    assert wanted is not None or box.follower.trouble
    assert "\n" not in str(box.follower.trouble)
    if wanted is not None:
        assert hashlib.sha256(box.slot.read(wanted)).hexdigest() == wanted
    assert box.follower.poll(), "when the repository is sound again"
    assert box.slot.current() == component.files[0].sha256


@given(content=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_are_a_function_by_chance(content: bytes) -> None:
    with pytest.raises(InvalidData) as caught:
        read_function(content)
    assert "\n" not in str(caught.value)


def _damage_of(world: World, damage: tuple[int, float, str, bytes]) -> tuple[Path, bytes, bytes]:
    """A file of the repository as it is, and what it is damaged to."""
    which, where, how, with_what = damage
    files = sorted(
        path
        for top in ("metadata", "targets")
        for path in (world.place / top).rglob("*")
        if path.is_file() and path.name != "1.root.json"
    )
    file = files[which % len(files)]
    whole = file.read_bytes()
    return file, whole, _damaged(whole, int(where * (len(whole) - 1)), how, with_what)


def _damaged(whole: bytes, at: int, how: str, with_what: bytes) -> bytes:
    if how == "flip":
        return whole[:at] + bytes([whole[at] ^ (with_what[0] or 1)]) + whole[at + 1 :]
    if how == "cut":
        return whole[:at]
    return whole[:at] + with_what + whole[at + (len(with_what) if how == "replace" else 0) :]


@given(content=st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_no_bytes_are_a_manifest_by_chance(content: bytes) -> None:
    with pytest.raises(InvalidData):
        Component.from_manifest(content)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    name=st.sampled_from(["format", "kind", "name", "version", "files", "description"]), value=JSON
)
def test_a_manifest_with_a_wrong_field_is_refused(name: str, value: object) -> None:
    fields: dict[str, Any] = {
        "format": 1,
        "kind": "model",
        "name": "a",
        "version": "1",
        "files": [{"path": "m", "bytes": 1, "sha256": "0" * 64}],
        "description": {"licence": "MIT"},
    }
    Component.from_manifest(_canonical(fields))
    fields[name] = value
    if isinstance(value, str) and re.fullmatch(r"[0-9A-Za-z.+_-]+", value):
        return  # a good name or version
    with pytest.raises(InvalidData) as caught:
        Component.from_manifest(_canonical(fields))
    assert "\n" not in str(caught.value)


def _canonical(fields: object) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
