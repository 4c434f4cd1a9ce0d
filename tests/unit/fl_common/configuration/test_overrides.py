"""Overrides as people type them: paths are read as they are, remedies work when they are typed."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fl_common.configuration.overrides import readable, value_of
from fl_common.errors import InvalidConfiguration

NAMES = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=("Cs", "Cc")),
    min_size=1,
    max_size=40,
).filter(lambda name: name.strip() == name and "${" not in name and len(name.encode()) < 200)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("paths")
        patch.chdir(place)
        yield place


@given(name=NAMES)
def test_a_path_that_exists_is_read_as_it_is(folder: Path, name: str) -> None:
    path = folder / f"run-{name}"
    path.touch()
    (read,) = readable([f"data.path={path}"])
    assert value_of(read) == str(path)
    assert readable([read]) == [read]


@given(name=NAMES)
@example(name="~0")
def test_the_remedy_for_any_text_works_when_it_is_typed(name: str) -> None:
    try:
        (read,) = readable([f"data.path={name}"])
    except InvalidConfiguration as error:
        if not error.remedy.startswith("Type "):
            pytest.fail(error.remedy)
        (typed,) = shlex.split(error.remedy.removeprefix("Type "))
        (read,) = readable([typed])
        outer = name[0] == name[-1] and name[0] in "'\"" and len(name) > 1
        listed = name[0] == "[" and name[-1] == "]"
        assert listed or value_of(read) == (name[1:-1] if outer else name)


@pytest.mark.parametrize(
    ("override", "typed", "value"),
    [
        ("world.labels=[Gehen,St\N{LATIN SMALL LETTER U WITH DIAERESIS}rzen]", None, None),
        ("world.units=[m/s\N{SUPERSCRIPT TWO},%]", None, None),
        ("data.path=no=such", "'data.path=\"no=such\"'", "no=such"),
        ("name=a,b", "'name=\"a,b\"'", "a,b"),
        ('resume="a="b""', None, 'a="b"'),
    ],
)
def test_a_remedy_has_the_whole_override(
    override: str, typed: str | None, value: str | None
) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        readable([override])
    remedy = refused.value.remedy.removeprefix("Type ")
    assert typed in (None, remedy)
    (read,) = readable(shlex.split(remedy))
    expected = value or override.partition("=")[2][1:-1].split(",")
    assert value_of(read) == expected


@pytest.mark.parametrize(
    "override",
    ["rounds=3", "~net", "world.labels=[a b,c]", "x='a=b, c'", 'x="a=b"', "x=${y}", "nonsense"],
)
def test_what_hydra_reads_stays(override: str) -> None:
    assert readable([override]) == [override]


def test_several_values_are_a_sweep_only_where_one_is_asked_for(folder: Path) -> None:
    assert readable(["seed=0,1"], sweeps=True) == ["seed=0,1"]
    with pytest.raises(InvalidConfiguration, match="several values, for which --multirun"):
        readable(["seed=0,1"])
    (folder / "a,b.npz").touch()
    assert readable(["data.path=a,b.npz"]) == ['data.path="a,b.npz"']


def test_a_home_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.npz").touch()
    (read,) = readable(["data.path=~/a.npz"])
    assert value_of(read) == str(tmp_path / "a.npz")
