"""A person's own configuration file over a shipped one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import fl_client.__main__
import fl_server.__main__
from fl_client.configuration import read_config as read_node
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import read_config as read_server
from simulate.configuration.choices import check_choices

Read = Callable[[Path | None, Sequence[str]], Any]


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_a_file_may_have_the_name_of_the_shipped_one(read: Read, name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.yaml"
    file.write_text(f"defaults: [{name}, _self_]\nhome: elsewhere\n")
    assert read(file, ())["home"] == "elsewhere"
    other = tmp_path / "other.yaml"
    other.write_text(f"defaults: [{name}, _self_]\n")
    assert read(other, ())["home"] == read(None, ())["home"]


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
@pytest.mark.parametrize("folder", ["a b", "a=b,c", "a[b]{c}", "höhe", "it's"])
def test_files_of_one_class_share_a_file(
    read: Read, name: str, folder: str, tmp_path: Path
) -> None:
    place = tmp_path / folder
    place.mkdir()
    (place / "ward.yaml").write_text(f"defaults: [{name}, _self_]\nhome: ward\nlog_level: debug\n")
    (place / "seven.yaml").write_text("defaults: [ward, _self_]\nhome: seven\n")
    values = read(place / "seven.yaml", ())
    assert (values["home"], values["log_level"]) == ("seven", "debug")


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_folders_beside_a_file_are_groups_only_by_our_names(
    read: Read, name: str, tmp_path: Path
) -> None:
    for folder in ("home", "log_level", "functions"):
        (tmp_path / folder).mkdir()
    (tmp_path / "functions" / "mine.yaml").write_text("{}")
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [{name}, _self_]\n")
    assert read(file, ["home=x", "log_level=debug"])["home"] == "x"
    if name == "node":
        assert (
            read(file, ["functions=mine"])["functions"]
            == read(None, ["functions=none"])["functions"]
        )


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_a_file_that_names_itself_is_refused_in_one_line(
    read: Read, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "ward.yaml"
    file.write_text("defaults: [ward, _self_]\n")
    with pytest.raises(InvalidConfiguration, match="names itself under defaults") as caught:
        read(file, ())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("read", "name"), [(read_node, "node"), (read_server, "server")])
def test_a_file_stands_over_the_shipped_one(read: Read, name: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [{name}, _self_]\nhome: elsewhere\n")
    assert read(file, ())["home"] == "elsewhere"
    assert read(file, ["home=here"])["home"] == "here"


@pytest.mark.parametrize(
    ("read", "name", "text", "key"),
    [
        (read_node, "node", "rouds: 3", "rouds"),
        (read_node, "node", "federation: {ledger_conter: x}", "federation.ledger_conter"),
        (read_server, "server", "rouds: 3", "rouds"),
        (read_server, "server", "strategy: {round_timeot_s: 9}", "strategy.round_timeot_s"),
        (read_server, "server", "training: {batchsize: 9}", "training.batchsize"),
    ],
)
def test_a_key_that_nothing_reads_is_refused(
    read: Read, name: str, text: str, key: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(f"defaults: [{name}, _self_]\n{text}\n")
    with pytest.raises(InvalidConfiguration, match=f"configuration key {key}: is not known"):
        read(file, ())


def test_a_former_name_is_refused_with_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("defaults: [server, _self_]\nstrategy: {largest_update_norm: 5}\n")
    for given, overrides in ((file, []), (None, ["+strategy.largest_update_norm=5"])):
        with pytest.raises(InvalidConfiguration, match=r"Set strategy\.cut_outliers instead"):
            read_server(given, overrides)
    with pytest.raises(InvalidConfiguration, match=r"Set strategy\.cut_outliers instead"):
        check_choices(["strategy.largest_update_norm=5"])


@pytest.mark.parametrize("strategy", ["median", "fedprox", "fedyogi"])
def test_every_choice_of_a_server_is_known(strategy: str) -> None:
    choices = [f"strategy={strategy}", "privacy=none", "evaluation=federated", "training=cohort"]
    assert read_server(None, [*choices, "compression=topk"])["strategy"]["fraction"] == 1.0


@pytest.mark.parametrize("folder", ["plain", "a b", "a=b,c", "it's", 'q"q', "[x]{y}", "höhe", "\\"])
def test_home_on_a_command_line_is_an_override(folder: str, tmp_path: Path) -> None:
    for parser, command in (
        (fl_client.__main__._parser(), ["run"]),
        (fl_client.__main__._parser(), ["join"]),
        (fl_server.__main__._parser(), ["status"]),
    ):
        place = str(tmp_path / folder)
        options = parser.parsed([*command, "log_level=debug", "--home", place])
        read: Any = read_server if command == ["status"] else read_node
        values = read(None, options.overrides)
        assert (values["home"], values["log_level"]) == (place, "debug")
