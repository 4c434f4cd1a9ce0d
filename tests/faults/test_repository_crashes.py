"""A writer that dies at any step: readers have the old state or the new, nothing between."""

import os
import shutil
from pathlib import Path

import pytest

from fl_common.components.description import Component, Kind, Stage
from tests.support.repositories import World


class _Died(BaseException):
    """The writer's end: not an error that any code catches."""


@pytest.mark.long
def test_a_writer_that_dies_at_any_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every return from fsync and every rename is a place to die; the next writer just goes on."""
    original = World(tmp_path / "original")
    original.created()
    first = original.add(b"one")
    died_at, finished = 0, False
    while not finished:
        world = World(tmp_path / f"copy-{died_at}")
        shutil.copytree(original.folder, world.folder)
        finished = _dies(world, died_at, monkeypatch)
        seen = _seen(world, "before")
        assert seen in ("1", "2")
        again = world.add(b"two")
        assert again.version in ("2", "3")  # a number that was claimed may be left out
        assert _seen(world, "after") == again.version
        events = world.repository().history(Kind.MODEL, "activity", Stage.TESTING)
        assert [event.digest for event in events] == [first.digest, again.digest]
        died_at += 1
    assert died_at > 8


def _dies(world: World, after: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Add a component and die after so many durable steps; whether it came to its end."""
    left = [after]

    def counted(real: object) -> object:
        def step(*arguments: object, **options: object) -> object:
            if left[0] == 0:
                raise _Died
            left[0] -= 1
            assert callable(real)
            return real(*arguments, **options)

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", counted(os.fsync))
        patch.setattr(Path, "replace", counted(Path.replace))
        try:
            world.add(b"two")
        except _Died:
            return False
    return True


def _seen(world: World, name: str) -> str:
    """The version that a site takes now, with its content."""
    reader = world.reader(name=name)
    reader.refresh()
    component = reader.current(Kind.MODEL, "activity", Stage.TESTING)
    assert isinstance(component, Component)
    content = (reader.fetch(component) / "model.onnx").read_bytes()
    assert content == (b"one" if component.version == "1" else b"two")
    return component.version
