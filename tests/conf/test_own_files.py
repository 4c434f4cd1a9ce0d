"""A person's own configuration file over a shipped one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fl_client.configuration import read_config as read_node
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import read_config as read_server

Read = Callable[[Path | None, Sequence[str]], Any]


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_a_file_that_names_itself_is_refused_in_one_line(
    read: Read, name: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(f"defaults: [{name}, _self_]\n")
    with pytest.raises(InvalidConfiguration, match="names itself under defaults") as caught:
        read(file, ())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_a_file_stands_over_the_shipped_one(read: Read, name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [{name}, _self_]\nhome: elsewhere\n")
    assert read(file, ())["home"] == "elsewhere"
    assert read(file, ["home=here"])["home"] == "here"
