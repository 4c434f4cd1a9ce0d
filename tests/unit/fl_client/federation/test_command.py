"""A `federation` section that can't work ends the program at its start, in one line."""

from pathlib import Path
from typing import Any

import pytest

from fl_client.configuration import read_config
from fl_client.federation.command import check_federation, join_command
from fl_client.node.assembly.node import build_node
from fl_common.errors import InvalidConfiguration
from models import tasks


@pytest.fixture
def section(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    files = {name: tmp_path / name for name in ("ca_file", "key_file")}
    for file in files.values():
        file.touch()
    return {"server": "fl.example.org:8443", **{name: str(file) for name, file in files.items()}}


@pytest.mark.parametrize("server", ["fl.example.org:8443", "[2001:db8::7]:8443"])
def test_a_whole_section_is_taken(section: dict[str, Any], server: str) -> None:
    check_federation({**section, "server": server})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server", None),
        ("server", "fl.example.org"),
        ("server", "fl.example.org:http"),
        ("server", "2001:db8::7:8443"),
        ("ca_file", "none.crt"),
        ("key_file", "none.key"),
    ],
)
def test_a_value_that_can_t_be_used_is_named(
    section: dict[str, Any], name: str, value: str | None
) -> None:
    with pytest.raises(InvalidConfiguration, match=rf"^federation\.{name}="):
        check_federation({**section, name: value})


def test_a_proxy_that_is_not_supported_is_named(
    section: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(InvalidConfiguration, match=r"^ALL_PROXY=socks5://"):
        check_federation(section)


KINDS: dict[str, dict[str, Any]] = {
    "classification": {"labels": ["a", "b"]},
    "regression": {"range": [0, 50]},
    "multilabel": {"labels": ["a", "b"]},
    "sequence": {"labels": ["a", "b"]},
    "forecast": {"horizon": 8},
    "anomaly": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_box_serves_and_trains_a_task_of_each_kind(
    tmp_path: Path, section: dict[str, Any], kind: str
) -> None:
    config = read_config(None, [f"home={tmp_path / 'box'}", "name=box", "functions=none"])
    node = {**tasks.wearables().to_fields(), "labels": [], "kind": kind, **KINDS[kind]}
    own = {**config, "task": {"_target_": "models.tasks.declared", **node}}
    assert join_command(own, None, []) is None
    joined = {**own, "federation": {**own["federation"], **section}}
    assert join_command(joined, None, [])
    assert build_node(joined, connected=False)
