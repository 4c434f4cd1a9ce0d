"""Options of installed packages compose for every command, and never in place of ours."""

from pathlib import Path

import pytest

from fl_client.configuration import read_config as read_node
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import read_config as read_server
from simulate.configuration.composition import configure
from tests.support.plugins import install

NET = {"net/flat.yaml": "_target_: outside.nets.Flat\ncopies: 2\n"}


def simulated(*overrides: str) -> object:
    return configure(*overrides)


def test_a_plugin_s_options_compose_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {**NET, "sensors/outside.yaml": "{}\n"}
    install(tmp_path, monkeypatch, "outside", options=options)
    expected = {"_target_": "outside.nets.Flat", "copies": 2}
    assert simulated("net=flat").net == expected  # type: ignore[attr-defined]
    assert read_server(None, ["net=flat"])["net"] == expected
    assert read_node(None, ["sensors=outside"])["sensors"] == {}


def test_they_compose_for_a_file_of_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, monkeypatch, "outside", options={**NET, "sensors/outside.yaml": "{}\n"})
    own = tmp_path / "kitchen.yaml"
    own.write_text("defaults: [node, override sensors: outside, _self_]\nname: kitchen\n")
    assert read_node(own, [])["sensors"] == {}
    own.write_text("defaults: [server, _self_]\n")
    assert read_server(own, ["net=flat"])["net"]["copies"] == 2


@pytest.mark.parametrize("option", ["net/cnn1d", "config", "sensors/none"])
def test_an_option_of_ours_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    install(tmp_path, monkeypatch, "outside", options={f"{option}.yaml": "{}\n"})
    for read in (simulated, lambda: read_node(None, []), lambda: read_server(None, [])):
        with pytest.raises(InvalidConfiguration) as caught:
            read()
        said = str(caught.value)
        assert f"conf/{option}.yaml: is brought by join-the-dots itself and by outside-dist" in said


def test_an_option_that_two_bring_is_refused_with_both_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("outside", "further"):
        install(tmp_path / name, monkeypatch, name, options=NET)
    with pytest.raises(InvalidConfiguration, match=r"further-dist 1\.0 and by outside-dist 1\.0"):
        simulated()


def test_a_plugin_whose_package_is_gone_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = install(tmp_path, monkeypatch, "outside")
    place.rename(tmp_path / "gone")
    assert simulated("net=mlp")
