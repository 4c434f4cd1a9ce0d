"""``fl-simulate check``: what is in a file, what is likely wrong, and a command that trains."""

import json
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.errors import InvalidConfiguration, InvalidData
from simulate import configure
from simulate.__main__ import main
from simulate.data.check import MISTAKES, check
from tests.support.own_data import world_of

ROWS = 120
T0 = 1_700_000_000
Columns = dict[str, Sequence[object]]


def columns() -> Columns:
    generator = np.random.default_rng(0)
    labels_N = generator.integers(0, 3, ROWS)
    readings = generator.normal(size=(ROWS, 3)).round(3)
    return {
        "ax": readings[:, 0].tolist(),
        "ay": readings[:, 1].tolist(),
        "az": (readings[:, 2] * 100).tolist(),
        "label": np.array(["lie", "sit", "walk"])[labels_N].tolist(),
        "person": [f"p{row % 4}" for row in range(ROWS)],
    }


def written(folder: Path, content: Mapping[str, Sequence[object]]) -> str:
    rows = zip(*content.values(), strict=True)
    path = folder / "own.csv"
    path.write_text("\n".join([",".join(content), *(",".join(map(str, row)) for row in rows)]))
    return str(path)


def told(
    capsys: pytest.CaptureFixture[str], *words: str, status: int | None = None
) -> dict[str, Any]:
    ended = check([*words, "--json"])
    assert status in (None, ended)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_sound_file_has_no_likely_mistake(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = told(capsys, written(tmp_path, columns()), status=0)
    assert found["rows"] == ROWS
    assert found["sites"] == {f"p{person}": 30 for person in range(4)}
    assert sum(label["rows"] for label in found["labels"].values()) == ROWS
    assert [channel["name"] for channel in found["channels"]] == ["ax", "ay", "az"]
    assert found["channels"][2]["highest"] > 100
    assert (found["mistakes"], found["rows_with_gaps"]) == ([], 0)
    assert found["test_rows"] == ROWS // 5
    assert "labels are taken from column label" in found["notes"]


def put(name: str, values: Callable[[Columns], Sequence[object]]) -> Callable[[Columns], None]:
    return lambda content: content.update({name: values(content)})


def repeat_rows(content: Columns) -> None:
    for name, values in content.items():
        content[name] = [*values[:10], *values[:10], *values[20:]]


@pytest.mark.parametrize(
    ("damage", "says", "left_out"),
    [
        (
            put("code", lambda c: [{"lie": 4, "sit": 7, "walk": 9}[str(v)] for v in c["label"]]),
            "code: each value goes with one label alone",
            True,
        ),
        (put("volts", lambda _: [5] * ROWS), "volts: the same in every row", True),
        (put("number", lambda _: range(7, ROWS + 7)), "number: counts the rows", True),
        (
            put("logged", lambda _: [1000 * T0 + 250 * r * r for r in range(ROWS)]),
            "logged: times since 1970 in ms",
            True,
        ),
        (
            put("badge", lambda c: [100 + int(str(v)[1:]) for v in c["person"]]),
            "badge: each value belongs to one site alone",
            True,
        ),
        (put("ax", lambda c: [-9999, *c["ax"][1:]]), "ax: -9999 is its extreme", False),
        (repeat_rows, "10 of 120 rows repeat another one", False),
        (put("label", lambda _: ["sit"] * ROWS), "sit is the only label", False),
        (put("label", lambda _: range(ROWS)), "120 labels in 120 rows", False),
        (put("label", lambda c: ["fly", *c["label"][1:]]), "fly: fewer than 5 rows", False),
        (
            put("split", lambda c: [int(label == "walk") for label in c["label"]]),
            "walk: no row for training",
            False,
        ),
        (put("label", lambda _: [0, 2, 5] * 40), "3 of the labels 0 to 5 have no row", False),
        (
            put("label", lambda c: ["own" if p == "p1" else "sit" for p in c["person"]]),
            "own: only on one site each",
            False,
        ),
        (put("person", lambda _: ["me"] * ROWS), "me is the only site", False),
        (put("person", lambda _: range(ROWS)), "every row is a site of its own", False),
        (put("person", lambda _: ["a"] * 118 + ["b"] * 2), "sites b: fewer than 5 rows", False),
        (put("person", lambda _: ["a"] * 118 + ["b"] * 2), "sites have from 2 to 118 rows", False),
        (
            put("time", lambda _: [T0 + r if r < 100 else 1000 * (T0 + r) for r in range(ROWS)]),
            "time: times in several units: 100 in s, 20 in ms",
            False,
        ),
        (
            put("time", lambda _: [T0 - row for row in range(ROWS)]),
            "time: rows of 4 sites are not in order of time",
            False,
        ),
    ],
)
def test_a_likely_mistake_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Columns], None],
    says: str,
    left_out: bool,
) -> None:
    content = columns()
    damage(content)
    found = told(capsys, written(tmp_path, content))
    what = [mistake["what"] for mistake in found["mistakes"]]
    assert [one for one in what if one.startswith(says)], what
    assert ("data.channels=[ax,ay,az]" in found["command"]) == left_out


@pytest.mark.parametrize("gap", [False, True])
@pytest.mark.parametrize("sites", [False, True])
def test_the_command_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gap: bool, sites: bool
) -> None:
    content = columns()
    content["volts (nominal)"] = [5] * ROWS
    content["b, é"] = content.pop("ay")
    if gap:
        content["ax"] = ["", *content["ax"][1:]]
    if not sites:
        del content["person"]
    path = written(tmp_path, {name.replace(",", ";"): each for name, each in content.items()})
    words = shlex.split(told(capsys, path, "seed=3", status=MISTAKES)["command"])
    config = configure(*words[3:])
    world = world_of(config)
    assert config.seed == 3
    assert world.task.channels == ("ax", "az", "b; é")
    assert len(world.sites) == (4 if sites else 10)


@pytest.mark.parametrize(
    ("damage", "override", "says"),
    [
        (put("split", lambda _: ["train"] * ROWS), None, "none of them for test"),
        (put("split", lambda _: ["test"] * ROWS), None, "none of them for training"),
        (put("label", lambda _: [-1, 1] * 60), None, "y -1: must be at least 0"),
        (put("label", lambda _: [0, 1_000_000] * 60), None, "y 1000000"),
        (put("ax", lambda c: c["ay"]), "world.labels=[lie,sit]", "'walk': must be one of"),
        (put("ax", lambda c: c["ay"]), "sites=9", "sites=9: must be at most 4"),
        (put("ax", lambda c: c["ay"]), "world.labels=sit", "labels=sit: must be a list"),
    ],
)
def test_what_a_run_would_refuse_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Columns], None],
    override: str | None,
    says: str,
) -> None:
    content = columns()
    damage(content)
    words = [written(tmp_path, content), *([override] if override else [])]
    found = told(capsys, *words, status=MISTAKES)
    last = found["mistakes"][-1]
    assert found["test_rows"] is None
    assert last["what"].startswith("a run refuses this: ")
    assert says in last["what"]


def test_persons_of_the_test_alone_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No site of a run is theirs."""
    content = columns()
    content["split"] = ["test" if who == "p3" else "train" for who in content["person"]]
    path = written(tmp_path, content)
    assert told(capsys, path, status=0)["sites_for_test_alone"] == ["p3"]
    assert world_of(configure("task=arrays", f"data.path={path}")).sites == ("p0", "p1", "p2")
    check([path])
    assert "4 sites, 1 of them for the test alone" in capsys.readouterr().out


def test_rows_without_a_label_or_a_site_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = columns()
    content["label"] = ["", *content["label"][1:]]
    content["person"] = [*content["person"][:-2], "", ""]
    path = written(tmp_path, content)
    found = told(capsys, path, status=0)
    assert (found["rows_without_label_or_site"], found["rows_with_gaps"]) == (3, 0)
    assert found["command"].endswith("data.missing=drop")
    check([path])
    assert "3 rows lack a label or a site" in capsys.readouterr().out


def test_windows_are_told_by_channel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(0).normal(size=(60, 16, 2)).astype(np.float32)
    x[3, :4, 1] = np.nan
    path = tmp_path / "own.npz"
    np.savez(path, x=x, y=np.arange(60) % 2, site=np.arange(60) % 3 // 1)
    found = told(capsys, str(path), "data.channels=[left,right]")
    assert found["window_shape"] == [16, 2]
    assert [(c["name"], c["missing"]) for c in found["channels"]] == [("left", 0), ("right", 4)]
    assert found["command"].endswith("data.missing=hold")


def test_a_screen_of_eighty_columns_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = columns()
    content["a channel with a name that is far longer than any screen would want it"] = [1] * ROWS
    content["person"] = [f"person-number-{row}-of-the-night-shift-in-hall-7" for row in range(ROWS)]
    assert check([written(tmp_path, content)]) == MISTAKES
    shown = capsys.readouterr().out
    body = shown.partition("\nto train\n")[0].splitlines()[1:]
    assert max(map(len, body)) <= 80
    assert len(body) < 60
    assert "and 108 more" in shown
    assert "likely mistakes" in shown


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ("ax,ay\n1,2\n", InvalidConfiguration, "data.label=COLUMN"),
        ("", InvalidData, "has no row"),
    ],
)
def test_what_cannot_be_read_is_one_line(
    tmp_path: Path, content: str, error: type[Exception], says: str
) -> None:
    (tmp_path / "own.csv").write_text(content)
    with pytest.raises(error, match=says) as refused:
        check([str(tmp_path / "own.csv")])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("task=digits", "task=digits: can't be chosen here"),
        ("data.channels=[]", "data.channels=.*: must name at least one column"),
        ("data.channels=ax", r"data.channels=ax: must be a list. Type 'data.channels=\[ax\]'"),
        ("data.channels=3", "data.channels=3: must be a list"),
    ],
)
def test_an_override_that_cannot_be_is_one_line(tmp_path: Path, override: str, says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says):
        check([written(tmp_path, columns()), override])


def test_the_exit_status_says_what_was_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for name, more in (("sound", {}), ("odd", {"volts": [5] * ROWS})):
        (tmp_path / name).mkdir()
        found[name] = written(tmp_path / name, {**columns(), **more})
    monkeypatch.setattr(sys, "argv", ["fl-simulate", "check", found["sound"]])
    main()
    for path, status in ((found["odd"], 1), (str(tmp_path / "absent.csv"), 2)):
        monkeypatch.setattr(sys, "argv", ["fl-simulate", "check", path])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == status
    assert capsys.readouterr().err.count("\n") == 1
