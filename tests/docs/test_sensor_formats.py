"""docs/reference/sensors.md: each payload of its tables is read as the page declares it."""

import re
from pathlib import Path

import numpy as np
import pytest

from fl_client.configuration import read_config
from fl_client.node.assembly.declared import build_declared
from fl_client.sensors.sensor import Sensor
from fl_client.sensors.transports import Delivery
from fl_common.vocabulary import Task
from models.tasks import wearables
from tests.support.edge import NOW
from tests.support.payloads import FIRST
from tests.support.sources import ROOT

PAGE = (ROOT / "docs/reference/sensors.md").read_text("utf-8")
TASK = Task("c", ("temp", "hum"), ("Cel", "/"), 1.0, (4, 2), ("a", "b"), (0, 0), (1, 1), 1)
ROW = re.compile(r"^\| (.*?) \| (.*?) \| (.*?) \| (hex )?(`.*`) \|$", re.M)
ROWS = [found.groups() for found in ROW.finditer(PAGE[: PAGE.index("begins with `fl_client")])]
READY = [row for row in ROWS if row[0].startswith("`")]
OTHERS = [row for row in ROWS if not row[0].startswith("`")]
BLOCK = re.search(r"```yaml\n(# press.yaml\n.*?)```", PAGE, re.S)


def test_the_tables_are_found() -> None:
    assert {path.stem for path in (ROOT / "conf/decoders").glob("*.yaml")} == {
        row[0].split("`")[1] for row in READY
    }
    assert len(OTHERS) == 12


def read(
    folder: Path, text: str, payload: bytes, topic: str, task: Task = TASK
) -> tuple[list[int], list[float]]:
    """What the sensor of the file ``text`` reads: times, and the first reading's values."""
    (folder / "press.yaml").write_text(text)
    config = read_config(folder / "press.yaml", [f"home={folder}"])
    sensors = build_declared(config, task).messages["mqtt"]
    (sensor,) = [one for one in sensors if isinstance(one, Sensor)]
    readings, _ = sensor.read(Delivery(topic, payload), NOW)
    return readings.times_N.tolist(), readings.values_NC[0].tolist()


def declared(line: str, decoder: str, field: str, alone: bool) -> str:
    """A file as the page's own, with another decoder and other fields."""
    other = "" if alone else f', {{name: hum, field: "{field.replace("temp", "hum")}", unit: "%"}}'
    return (
        f"defaults: [node, {line}_self_, override sensors: none]\n"
        "sensors:\n  own:\n    _target_: fl_client.sensors.sensor.Sensor\n    topic: a\n"
        f'    channels: [{{name: temp, field: "{field}", unit: Cel}}{other}]\n{decoder}'
    )


def payload_of(shown: str, is_hex: str | None) -> bytes:
    lines = re.findall(r"`(.*?)`", shown)
    return bytes.fromhex(lines[0]) if is_hex else "\n".join(lines).encode()


@pytest.mark.parametrize("row", READY, ids=lambda row: row[0])
def test_a_ready_made_decoder_reads_its_payload(
    row: tuple[str, str, str, str | None, str], tmp_path: Path
) -> None:
    name, field = row[0].split("`")[1], row[2].split("`")[1]
    alone = name == "homeassistant"
    text = declared(f"decoders@sensors.own.decoder: {name}, ", "", field, alone)
    topic = row[1].replace("+", "DBIRTH").strip("`")
    times, values = read(tmp_path, text, payload_of(row[4], row[3]), topic)
    assert times == [NOW if alone else FIRST]
    np.testing.assert_allclose(values, [21.5] if alone else [21.5, 0.6], rtol=1e-6)


@pytest.mark.parametrize("number", range(len(OTHERS)), ids=lambda number: OTHERS[number][0])
def test_any_decoder_reads_its_payload(number: int, tmp_path: Path) -> None:
    kind, decoder, field, is_hex, shown = OTHERS[number]
    if decoder == "the same":
        decoder = OTHERS[number - 1][1]
    targets = decoder.strip("`").replace("_target_: .", "_target_: fl_client.sensors.decoders.")
    text = declared("", f"    decoder: {targets}\n", field.split("`")[1], alone=False)
    times, values = read(tmp_path, text, payload_of(shown, is_hex), "a")
    tenths = 10 if "tenths" in field else 1
    assert times == [FIRST], kind
    np.testing.assert_allclose(values, [21.5 * tenths, 0.6 * tenths], rtol=1e-6)


def test_the_how_to_s_own_sensor_reads_what_it_says(tmp_path: Path) -> None:
    how_to = (ROOT / "docs/how-to/edge-node.md").read_text("utf-8")
    block = re.search(r"```yaml\n(# kitchen.yaml, with a sensor of its own\n.*?)```", how_to, re.S)
    assert block is not None
    body = f'{{"at":{FIRST // 10**6},"acc":[9.80665,0,0],"gyro":[180,0,0]}}'.encode()
    times, values = read(tmp_path, block[1], body, "kitchen/wrist", wearables())
    assert times == [FIRST]
    np.testing.assert_allclose(values, [1, 0, 0, np.pi, 0, 0], rtol=1e-6)


def test_the_file_that_is_shown_reads_its_payload(tmp_path: Path) -> None:
    assert BLOCK is not None
    times, values = read(tmp_path, BLOCK[1], payload_of(READY[0][4], None), "telegraf/press")
    assert times == [FIRST]
    np.testing.assert_allclose(values, [21.5, 0.6], rtol=1e-6)
