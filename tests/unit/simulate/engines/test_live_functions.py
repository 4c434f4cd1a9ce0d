"""Functions of a play: what nodes are told, and what is refused before anything starts."""

from dataclasses import replace
from pathlib import Path

import pytest

from fl_client.components.sandbox import grant_of
from fl_client.functions.host.compiler import MACHINE_CODE
from fl_common.errors import BadInput
from fl_common.functions.sandbox.key import is_whole, own_cache, write_machine_code
from simulate.engines.live.functions import LiveFunctions, published
from tests.support.open_functions import folder_in
from tests.support.samples import TASK

SOURCE = "def handle(event):\n    pass\n"


@pytest.mark.slow
def test_nodes_follow_a_repository_that_has_them_in_production(tmp_path: Path) -> None:
    folders = [str(folder_in(tmp_path / name, SOURCE)) for name in ("one", "two")]
    components = published(folders, None, TASK, tmp_path / "play").components
    assert components["functions"] == ["one", "two"]
    assert Path(components["root"]).is_file()
    granted = grant_of(components)
    assert granted is not None
    assert (granted.functions, granted.fuel) == (2, 50_000_000)


def test_without_functions_nodes_follow_nothing(tmp_path: Path) -> None:
    assert published([], None, TASK, tmp_path).components == {}
    assert list(tmp_path.iterdir()) == []


def test_a_node_is_lent_machine_code_that_it_takes_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_machine_code(own_cache() / "whole.machine", b"code")
    (own_cache() / "of_before.machine").write_bytes(b"code without a digest")
    LiveFunctions({"functions": ["one"]}).lend_machine_code(tmp_path / "node")
    (lent,) = (tmp_path / "node" / MACHINE_CODE).glob("*.machine")
    assert lent.name == "whole.machine"
    assert is_whole(lent)


def test_what_no_node_would_run_is_refused_and_nothing_is_made(tmp_path: Path) -> None:
    folder = str(folder_in(tmp_path / "one", SOURCE, labels=["a", "b"]))
    for folders, task in (
        ([folder], TASK),
        ([folder, folder], replace(TASK, labels=("a", "b"))),
        ([str(tmp_path / "none")], TASK),
    ):
        with pytest.raises(BadInput):
            published(folders, None, task, tmp_path / "play")
    assert not (tmp_path / "play").exists()
