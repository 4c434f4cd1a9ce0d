"""A network that is added under another name, and the functions that ask it."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_common.components.description import Kind, Stage
from fl_server.repository.__main__ import main
from fl_server.repository.catalogue.shelf import own_folder, recipes
from tests.support.repositories import World
from tests.unit.fl_server.repository.catalogue.test_adding import (
    add,
    plugin,
    recipe,
    refused,
    wheel,
    world,
)

__all__ = ["world"]
SPINDLES = {"class": "fl_client.functions.eeg.SleepSpindles", "labels": [], "asks": ["twice"],
            "arguments": {"above": 0.5, "overlap": 0.3, "network": "twice"},
            "on": [{"window": "*"}]}  # fmt: skip


def function(world: World, fields: dict[str, Any], **others: str) -> None:
    """The function ``twice-told`` of the plugin, with which its network is used."""
    folder = plugin(world) / "functions" / "twice-told"
    folder.mkdir(parents=True)
    (folder / "function.json").write_text(json.dumps(fields))
    for name, text in others.items():
        (folder / name.replace("_", ".")).write_text(text)
    (plugin(world) / "twice.yaml").write_bytes(recipe(after="twice-told"))


def told(world: World, kind: Kind, name: str) -> dict[str, Any]:
    """The function.json of a function in testing; the description of a model."""
    entry = world.repository().entry(kind, name, Stage.TESTING)
    assert entry is not None
    if kind is Kind.MODEL:
        return dict(entry.component.description)
    main(["get", name, "--stage", "testing", "--to", f"got-{name}"])
    return dict(json.loads(Path(f"got-{name}", "function.json").read_text()))


def test_a_class_asks_by_the_name_that_its_network_is_added_under(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    function(world, SPINDLES)
    for more in ((), ("--as", "thrice")):
        add("twice", *more, "--from", wheel(world.folder))
    assert "Next: fl-repo promote thrice thrice-twice-told" in capsys.readouterr().out
    asking = told(world, Kind.FUNCTION, "thrice-twice-told")
    assert (asking["asks"], asking["arguments"]["network"]) == (["thrice"], "thrice")
    assert told(world, Kind.MODEL, "thrice")["requires"][0]["name"] == "thrice-twice-told"
    assert told(world, Kind.FUNCTION, "twice-told") == SPINDLES
    main(["promote", "thrice", "thrice-twice-told", "twice", "--keys", "keys"])
    assert capsys.readouterr().out.count("is in production") == 3


@pytest.mark.slow
def test_a_function_in_a_sandbox_asks_by_that_name(world: World) -> None:
    shipped = own_folder() / "functions" / "display-read"
    fields = json.loads((shipped / "function.json").read_text())
    texts = {f"{p.stem}_{p.suffix[1:]}": p.read_text() for p in shipped.iterdir()}
    texts.pop("function_json")
    function(world, {**fields, "asks": "twice"}, **texts)
    add("twice", "--as", "meter.2", "--from", wheel(world.folder))
    assert told(world, Kind.FUNCTION, "meter.2-twice-told") == {**fields, "asks": "meter.2"}


def test_a_class_that_is_not_told_the_name_can_ask_no_other(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"above": 0.5, "overlap": 0.3}
    function(world, {**SPINDLES, "arguments": arguments})
    line = refused(capsys, world, "twice", "--as", "thrice", "--from", wheel(world.folder))
    assert "--as thrice: can't be: twice-told is an installed class, and none of its arg" in line
    add("twice", "--from", wheel(world.folder))


def test_each_class_of_our_catalogue_is_told_its_network() -> None:
    for one in recipes().values():
        for folder in one.functions.values():
            fields = json.loads((folder / "function.json").read_text())
            if isinstance(fields.get("asks"), list):
                assert fields["arguments"]["network"] == one.name


def test_a_recipe_says_of_which_outputs_the_largest_values_are_answered(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (plugin(world) / "twice.yaml").write_bytes(recipe(largest=["x"]))
    line = refused(capsys, world, "twice", "--from", wheel(world.folder))
    assert 'twice.yaml: names ["x"] as largest, and the outputs but its states are ["y"]' in line
    (plugin(world) / "twice.yaml").write_bytes(recipe(largest=["y", "y"]))
    assert "$.largest" in refused(capsys, world, "twice", "--from", wheel(world.folder))
    (plugin(world) / "twice.yaml").write_bytes(recipe(largest=["y"]))
    main(["catalogue", "show", "twice"])
    assert "the largest of y, and its place" in capsys.readouterr().out
    add("twice", "--from", wheel(world.folder))
    assert told(world, Kind.MODEL, "twice")["network"]["largest"] == ["y"]


def test_several_are_promoted_in_one_command_once_all_are_there(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    add("twice", "--from", wheel(world.folder))
    for words, says in (
        (["twice", "nowhere"], "nowhere: was never added"),
        (["twice", "twice", "--version", "1"], "--version 1: can't be that of 2 components"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["promote", *words, "--keys", "keys"])
        assert ended.value.code == 2
        assert says in capsys.readouterr().err
    assert world.repository().entry(Kind.MODEL, "twice", Stage.PRODUCTION) is None
