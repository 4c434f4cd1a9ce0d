"""From a sensor's message over a real broker to the CloudEvent with the right answer, for each
network of the catalogue that needs no picture: the network from its wheel, by ``fl-repo``."""

import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from fl_client.functions.eeg import SleepSpindles
from fl_client.inference.oip import open_inference_pb2 as oip
from fl_server.repository.catalogue.shelf import recipes
from tests.support.listening import SECOND, Listening, repository_with, spoken, stamped
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import wait_for
from tests.support.sources import ROOT

RATE, PIECE = 16_000, 1600
SOUND: dict[str, Any] = {
    "task": {"_target_": "models.tasks.watched", "name": "sound", "channels": ["sound"],
             "units": ["1"], "rate_hz": RATE, "window_shape": [576, 1]},
    "sensor": {"rate_hz": RATE, "channels": [{"name": "sound", "field": "sound", "unit": "1"}],
               "decoder": {"_target_": "fl_client.sensors.decoders.sound.SoundDecoder",
                           "columns": ["sound"], "form": "pcm", "type": "s16le",
                           "rate_hz": RATE, "time": "stamp"}},
    "windows": {"step": 512, "longest_gap_s": 0.001, "lateness_s": 0.2},
}  # fmt: skip


def eeg(seconds: int) -> dict[str, Any]:
    """Sections of a box with one electrode, in microvolts, that is asked about so many seconds."""
    return {
        "task": {"_target_": "models.tasks.watched", "name": "eeg", "channels": ["eeg"],
                 "units": ["uV"], "rate_hz": 250, "window_shape": [250 * seconds, 1]},
        "sensor": {"rate_hz": 250, "channels": [{"name": "eeg", "field": "eeg", "unit": "uV"}],
                   "decoder": {"_target_": "fl_client.sensors.decoders.raw.RawDecoder",
                               "columns": ["eeg"], "type": "float32", "rate_hz": 250,
                               "byte_order": "little", "time": "stamp"}},
        "windows": {"step": 5000, "longest_gap_s": 0.01, "lateness_s": 0.2},
    }  # fmt: skip


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path / "broker") as broker:
        yield broker


def pcm(sound_T: NDArray[np.float64]) -> NDArray[np.int16]:
    return np.clip(np.round(sound_T * 32768), -32768, 32767).astype("<i2")


class _Ears:
    """A microphone of ``box`` that sends pieces of 0.1 s from ``now_ns`` on."""

    def __init__(self, box: Listening, now_ns: int) -> None:
        self._box, self.now_ns, self._sent, self._told = box, now_ns, 0, 0

    def hear(self, sound_T: NDArray[np.float64], rate: int = RATE) -> None:
        """Whole pieces, stamped as if of ``rate``; the box has made of them what it makes."""
        for begin in range(0, len(sound_T) - PIECE + 1, PIECE):
            samples = pcm(sound_T[begin : begin + PIECE])
            self._box.send(stamped(self.now_ns, samples))
            self.now_ns += PIECE * SECOND // rate
            self._sent += 1
        self._box.settled(self._sent)

    def told(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        found, self._told = self._box.heard[self._told :], len(self._box.heard)
        return found


@pytest.mark.slow
@pytest.mark.long
def test_a_box_hears_speech_and_neither_silence_nor_noise(
    tmp_path: Path, broker: Mosquitto
) -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs the Debian package espeak-ng")
    repository_with(tmp_path, "speech")
    box = Listening(tmp_path, broker, ["speech"], **SOUND)
    try:
        box.start()
        draw, ears = np.random.default_rng(0), _Ears(box, time.time_ns() - 60 * SECOND)
        ears.hear(np.zeros(2 * RATE))
        ears.hear(draw.normal(0, 0.1, 2 * RATE))
        assert ears.told() == []
        from_ns = ears.now_ns
        ears.hear(spoken("hello box, can you hear me"))
        began, ended = ears.told()
        assert [began["function"], ended["function"]] == ["speech-heard"] * 2
        assert 0.2 * SECOND < began["from_ns"] - from_ns < 1.2 * SECOND
        assert began["from_ns"] < ended["to_ns"] < ears.now_ns
        assert (ended["clipped"], ended["probability"] > 0.9) == (0, True)
        ears.hear(np.clip(40 * spoken("it is far too loud"), -1, 32767 / 32768))
        assert ears.told()[-1]["clipped"] > 5
        ears.hear(spoken("at another rate"), rate=44_100)  # which is declared as 16 kHz
        assert ears.told() == []
        assert box.node.status()["messages"]["lost"]["malformed_rate"] > 5
        ears.now_ns += SECOND
        ears.hear(spoken("it hears me again"))
        assert len(ears.told()) >= 2
        shown = box.node.status()["networks"]["speech"]
        assert (shown["refused"], shown["states"], shown["trouble"]) == (0, 1, None)
        assert shown["begun"] == {"start": 1, "gap": 1}
    finally:
        box.close()


@pytest.mark.slow
@pytest.mark.long
def test_a_box_finds_the_spindle_of_the_example_and_no_spindle_in_volts(
    tmp_path: Path, broker: Mosquitto
) -> None:
    repository_with(tmp_path, "sleep-spindles")
    box = Listening(tmp_path, broker, ["sleep-spindles"], **eeg(30))
    try:
        box.start()
        wave_T = sleeping()
        step = 20 * SECOND
        start_ns = (time.time_ns() // step - 12) * step  # where a window begins
        box.send(stamped(start_ns, wave_T.astype("<f4")))
        event = box.event("sleep-spindle")
        middle_s = ((event["from_ns"] + event["to_ns"]) / 2 - start_ns) / SECOND
        assert 15 <= middle_s <= 16
        assert event["probability"] > 0.5
        start_ns += 3 * step
        box.send(stamped(start_ns, (wave_T * 1e-6).astype("<f4")))
        unusable = box.event("eeg-unusable")
        assert "volts" in unusable["hint"]
        assert unusable["sigma_uv"] < 1e-3
        start_ns += 3 * step
        box.send(stamped(start_ns, wave_T.astype("<f4")))
        box.event("sleep-spindle", 2)
        assert box.kinds() == ["sleep-spindle", "eeg-unusable", "sleep-spindle"]
    finally:
        box.close()


def sleeping() -> NDArray[np.float64]:
    """The 30 s of EEG of the worked example (``benchmarks/judges/catalogue_examples.py``)."""
    noise = np.random.default_rng(5).normal(0, 1, SleepSpindles.readings)
    wave = np.cumsum(noise) - np.cumsum(noise).mean()
    wave = np.convolve(wave, [1, -0.98], "same") * 5
    time_T = np.arange(SleepSpindles.readings) / 250 - 15.5
    burst = np.exp(-((time_T / 0.4) ** 2)) * np.sin(2 * np.pi * 13.3 * time_T)
    return np.asarray(wave + 30 * burst)


@pytest.mark.slow
@pytest.mark.long
def test_a_box_asks_about_seizures_and_tells_none_in_noise(
    tmp_path: Path, broker: Mosquitto
) -> None:
    """No recording of a seizure may be used here: that one is told, ``test_eeg.py`` holds."""
    repository_with(tmp_path, "seizures")
    box = Listening(tmp_path, broker, ["seizures"], **eeg(300), engine={"call_seconds": 60})
    try:
        box.start()
        noise = np.cumsum(np.random.default_rng(1).normal(0, 1, 75_000))
        wave_T = 30 * (noise - noise.mean()) / noise.std()
        step = 20 * SECOND
        start_ns = (time.time_ns() // step - 60) * step
        box.send(stamped(start_ns, wave_T.astype("<f4")))
        box.done(1)
        box.send(stamped(start_ns + 20 * step, (wave_T * 1e-6).astype("<f4")))
        assert "volts" in box.event("eeg-unusable")["hint"]
        assert box.kinds() == ["eeg-unusable"]
        shown = box.node.status()["networks"]["seizures"]
        assert (shown["answered"], shown["refused"]) == (1, 0)
    finally:
        box.close()


@pytest.mark.slow
@pytest.mark.long
def test_a_box_tells_what_kind_of_content_a_message_has(tmp_path: Path, broker: Mosquitto) -> None:
    repository_with(tmp_path, "content-type")
    size = 8192
    sections = eeg(30)
    sections["task"] |= {"name": "content", "channels": ["byte"], "units": ["1"],
                         "rate_hz": size, "window_shape": [size, 1]}  # fmt: skip
    sections["sensor"]["channels"] = [{"name": "byte", "field": "byte", "unit": "1"}]
    sections["sensor"]["rate_hz"] = size
    sections["sensor"]["decoder"] |= {"columns": ["byte"], "type": "uint16", "rate_hz": size}
    sections["windows"] = {"step": size, "longest_gap_s": 0.001, "lateness_s": 0.2}
    box = Listening(tmp_path, broker, ["content-type"], **sections)
    try:
        box.start()
        begin_ns = (time.time_ns() // SECOND - 30) * SECOND
        told = {
            "python": Path(__file__).read_bytes()[:5000],
            "css": (ROOT / "docs" / "site.css").read_bytes()[:size],
            "unknown": b"hm",
        }
        for number, content in enumerate(told.values()):
            numbers = np.full(size, 256, "<u2")
            numbers[: len(content)] = np.frombuffer(content, np.uint8)
            box.send(stamped(begin_ns + 2 * number * SECOND, numbers))
        box.event("content-told", 3)
        assert [one["label"] for one in box.heard][:2] == ["python", "css"]
        assert [one["bytes"] for one in box.heard] == [len(one) for one in told.values()]
    finally:
        box.close()


@pytest.mark.slow
@pytest.mark.long
def test_two_networks_serve_beside_each_other_under_their_own_names(
    tmp_path: Path, broker: Mosquitto
) -> None:
    names = ["speech", "content-type"]
    repository_with(tmp_path, *names)
    serving = {"address": "127.0.0.1:0"}
    box = Listening(tmp_path, broker, names, **SOUND, serving=serving)
    try:
        box.start()
        shown = wait_for(lambda: box.node.status().get("networks"), "its networks")
        digests = {name: recipes()[name].origin.sha256 for name in names}
        assert {name: one["digest"] for name, one in shown.items()} == digests
        running = box.node.status()["components"]["networks"]
        assert set(running) == {*names}
        port = int(re.findall(r"service listens on port (\d+)", box.node.log())[-1])
        for name in names:
            assert described(port, name).versions == [digests[name]]
        with pytest.raises(grpc.RpcError, match="is not served here: speech, content-type are"):
            described(port, "model")
    finally:
        box.close()


def described(port: int, name: str) -> Any:
    """What the inference service says of a model of that name."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            "/inference.GRPCInferenceService/ModelMetadata",
            request_serializer=oip.ModelMetadataRequest.SerializeToString,
            response_deserializer=oip.ModelMetadataResponse.FromString,
        )
        return call(oip.ModelMetadataRequest(name=name), timeout=60)
