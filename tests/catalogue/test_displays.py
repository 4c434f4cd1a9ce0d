"""Drawn displays, read by a box's decoder, sandbox and network, and by RapidOCR's own package."""

import json
import os
import subprocess
import time
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.catalogue.displays import OWN, REGION, SEGMENTS, drawn
from benchmarks.catalogue.reading import SCALED, Reader, as_png
from benchmarks.measuring.environments import ROOT, judge_python
from fl_common.telemetry import OFF
from fl_server.repository.catalogue.shelf import recipes
from fl_server.repository.catalogue.wheel import contents_of
from tests.support.listening import SECOND, Listening, repository_with, wheel_of
from tests.support.mosquitto import Mosquitto
from tests.support.sandboxes import compile_runner

JUDGE = ROOT / "benchmarks" / "judges" / "display_values.py"
COUNT, SEED = 20, 7
CAMERA: dict[str, Any] = {
    "task": {"_target_": "models.tasks.watched", "name": "display", "units": ["level"] * 3,
             "channels": ["blue", "green", "red"], "rate_hz": None,
             "window_shape": [3, SCALED[1], SCALED[0]]},
    "sensor": {"channels": [{"name": name, "field": name, "unit": "level"}
                            for name in ("blue", "green", "red")],
               "decoder": {"_target_": "fl_client.sensors.decoders.pictures.PictureDecoder",
                           "forms": ["png"], "width": 320, "height": 120, "region": list(REGION),
                           "scaled": list(SCALED), "time": "stamp"}},
}  # fmt: skip


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    content, _ = contents_of(recipes()["text-reader"], wheel_of("text-reader"))
    file = tmp_path / "network.onnx"
    file.write_bytes(content)
    return Reader(file)


def judged(folder: Path, pictures: list[Image.Image]) -> list[tuple[str, float]]:
    """What RapidOCR reads in the region of each, as large as the box's network has it."""
    left, top, width, height = REGION
    box = (left, top, left + width, top + height)
    parts = [one.convert("L").resize(SCALED, Image.Resampling.BILINEAR, box) for one in pictures]
    file = folder / "parts.npy"
    np.save(file, [np.asarray(part) for part in parts])
    command = [f"{judge_python('catalogue')}", f"{JUDGE}", f"{file}"]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **OFF})
    assert done.returncode == 0, done.stderr[-2000:]
    return [(text, score) for text, score in json.loads(done.stdout)]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("kind", [OWN, SEGMENTS])
def test_a_display_is_read_as_rapidocr_reads_it(kind: str, reader: Reader, tmp_path: Path) -> None:
    pictures, texts = zip(*islice(drawn(kind, SEED), COUNT), strict=True)
    found = [reader(as_png(picture)) for picture in pictures]
    theirs = judged(tmp_path, list(pictures))
    alike = [ours["text"] == text for ours, (text, _) in zip(found, theirs, strict=True)]
    assert sum(alike) >= COUNT - 1, (found, theirs)
    sure = [abs(ours["confidence"] - score) for ours, (_, score) in zip(found, theirs, strict=True)]
    assert np.median(sure) < 0.01
    numbers = [ours.get("value") == float(text) for ours, text in zip(found, texts, strict=True)]
    assert sum(numbers) >= COUNT - 2, (found, texts)


@pytest.mark.slow
@pytest.mark.long
def test_a_box_reads_a_camera_in_colours_and_says_what_it_can_not(tmp_path: Path) -> None:
    repository_with(tmp_path, "text-reader")
    with Mosquitto(tmp_path / "broker") as broker:
        box = Listening(tmp_path, broker, ["text-reader"], **CAMERA)
        try:
            box.start()
            now_ns = time.time_ns() - 60 * SECOND
            shown = [*islice(drawn(OWN, SEED), 3)]
            blank = Image.new("RGB", shown[0][0].size, (200, 200, 200))
            pictures = [*(one for one, _ in shown), blank, blank.resize((640, 240)), shown[0][0]]
            for number, picture in enumerate(pictures):
                stamp = (now_ns + number * SECOND).to_bytes(8, "little")
                box.send(stamp + as_png(picture))
            box.event("display-read", 4)
            assert box.kinds() == ["display-read"] * 3 + ["display-unreadable", "display-read"]
            read = [one["text"] for one in box.heard if one["text"]]
            assert read == [text for _, text in (*shown, shown[0])]
            status = box.node.status()
            assert status["messages"]["lost"] == {"malformed_pixels": 1}
            shown_of = status["networks"]["text-reader"]
            assert (shown_of["answered"], shown_of["refused"]) == (5, 0)
        finally:
            box.close()
