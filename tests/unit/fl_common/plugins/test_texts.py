"""Texts of a box's and a server's configuration, which YAML would read as something else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from fl_client.configuration import read_config
from fl_common.errors import InvalidConfiguration
from fl_common.plugins.texts import TEXTS
from fl_server.cloud.build import read_config as read_server
from tests.support.sources import ROOT

TRAPS = ["1e3", "on", "012", "0x1F", "1_000", "12:30:45", "yes", "No", "1.10", "true", "+7", ".5",
         "007", "-1"]  # fmt: skip
NAMES = [text for text in TRAPS if "+" not in text]
"""Those that may be a box's name, which is in the topics that it publishes to."""


@pytest.mark.parametrize("text", TRAPS)
def test_a_box_takes_names_and_passwords_as_they_are_written(text: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        f"""
        defaults: [node, _self_, override sensors: none]
        name: {text}
        events: {{predictions: predictions, happenings: happenings, status: null}}
        broker: {{username: {text}, password: {text}, host: {text}}}
        sensors:
          {text}:
            _target_: fl_client.sensors.sensor.Sensor
            topic: {text}
            decoder: {{columns: [t, {text}], time: {text}, texts: {{a: {{{text}: 1}}}}}}
            channels: [{{name: {text}, field: {text}, unit: {text}}}]
        """
    )
    config = read_config(tmp_path / "own.yaml", [])
    broker = config["broker"]
    assert [config["name"], broker["username"], broker["password"], broker["host"]] == [text] * 4
    assert config["annotations"]["topic"] == f"labels/{text}"
    assert broker["identity"] == text
    ((sensor, declared),) = config["sensors"].items()
    (channel,) = declared["channels"]
    assert [sensor, declared["topic"], declared["decoder"]["time"], *channel.values()] == [text] * 6
    assert declared["decoder"]["columns"] == ["t", text]
    assert declared["decoder"]["texts"] == {"a": {text: 1}}


@pytest.mark.parametrize("text", NAMES)
def test_so_does_a_file_beside_it_and_a_command_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "ward.yaml").write_text(f"defaults: [node, _self_]\nbroker: {{username: {text}}}\n")
    (tmp_path / "own.yaml").write_text("defaults: [ward, _self_]\n")
    config = read_config(tmp_path / "own.yaml", [f"name={text}", f"broker.host={text}"])
    assert [config["name"], config["broker"]["username"], config["broker"]["host"]] == [text] * 3
    assert read_config(None, [f"name={text}"])["broker"]["identity"] == text


@pytest.mark.parametrize("text", TRAPS)
def test_so_does_a_server(text: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        f"defaults: [server, _self_]\nrun: {text}\nhosts: [a, {text}]\n"
    )
    config = read_server(tmp_path / "own.yaml", [f"home={text}"])
    assert [config["run"], config["home"], config["hosts"]] == [text, text, ["a", text]]
    assert read_server(None, [f"hosts=[a.b, {text}]"])["hosts"] == ["a.b", text]
    assert read_server(None, ["hosts=[]"])["hosts"] == []


def test_what_is_no_text_stays_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "defaults: [node, _self_]\n"
        "broker: {username: null, password: ~, port: 1_884, keepalive: 1e1}\n"
        "components: {tell_versions: on}\nname: '012'\n"
    )
    config = read_config(tmp_path / "own.yaml", ["broker.ca_file=null", "label_share=1e-1"])
    broker = config["broker"]
    assert [broker[key] for key in ("username", "password", "ca_file")] == [None] * 3
    assert [broker["port"], broker["keepalive"], config["label_share"]] == [1884, 10.0, 0.1]
    assert config["components"]["tell_versions"] is True
    assert config["name"] == "012"


def test_a_secret_of_digits_may_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "0123")
    (tmp_path / "own.yaml").write_text(
        "defaults: [node, _self_]\nbroker: {password: '${oc.env:BROKER_PASSWORD}'}\n"
    )
    assert read_config(tmp_path / "own.yaml", [])["broker"]["password"] == "0123"


def test_other_readers_of_yaml_are_left_alone() -> None:
    read_config(None, [])
    assert OmegaConf.create("name: 012").name == 10


NO_TEXTS = {"clients_per_round", "command", "every", "learning_rate", "noise_multiplier",
            "bit_noise", "retain", "uses", "sandbox", "scale", "seed", "share", "site_windows",
            "stream", "unavailable", "unknown"}  # fmt: skip
"""Keys whose shipped value is null, and that mean a number, a list, a section or a word."""
GROUPS = ("sensors", "decoders", "transports", "functions", "strategy", "privacy", "compression",
          "evaluation", "training")  # fmt: skip


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if name not in ("_target_", "defaults"):
                yield from leaves(inner, str(name))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, key)
    else:
        yield key, value


def test_every_key_that_means_a_text_is_known_as_one() -> None:
    conf = ROOT / "conf"
    files = [conf / "node.yaml", conf / "server.yaml"]
    files += [path for group in GROUPS for path in (conf / group).glob("*.yaml")]
    found = [pair for path in files for pair in leaves(yaml.safe_load(path.read_text("utf-8")))]
    texts = {
        key for key, value in found
        if value is None or (isinstance(value, str) and not value.startswith("${"))
    }  # fmt: skip
    assert texts - TEXTS == NO_TEXTS
    assert not {key for key, value in found if isinstance(value, int | float)} & TEXTS


def test_a_name_with_a_wildcard_is_read_as_it_is_written_and_refused() -> None:
    with pytest.raises(InvalidConfiguration, match=r"^events\.predictions=predictions/\+7: must"):
        read_config(None, ["name=+7"])
