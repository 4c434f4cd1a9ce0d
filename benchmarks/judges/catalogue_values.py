"""What the packages that the catalogue's networks are from compute themselves.

It runs in an environment of its own (``catalogue.txt``) and imports nothing of ours:

    python catalogue_values.py NAME COUNT SEED FOLDER

Each call that the package's own code makes of its network is written to FOLDER as 0000.npz and so
on: the tensors that it gives, as ``input.*``, and those that it gets, as ``output.*``; beside them,
as ``raw.*``, what the package was given and what it says in the end.
"""

import itertools
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, Any]
_calls: list[Arrays] = []
_sessions: list[Any] = []
_TYPES = {"tensor(float)": "f4", "tensor(int32)": "i4", "tensor(int64)": "i8"}
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before ONNX Runtime is imported
_runtime = import_module("onnxruntime")
_original = _runtime.InferenceSession


class _Listening(_original):  # type: ignore[misc,valid-type]
    """A session that keeps what it was given and what it found."""

    def run(self, names: Any, feeds: Any, options: Any = None) -> Any:
        """As ONNX Runtime's own."""
        found = super().run(names, feeds, options)
        every = names or [one.name for one in self.get_outputs()]
        types = {one.name: _TYPES[one.type] for one in self.get_inputs()}
        kept = {f"input.{name}": np.asarray(value, types[name]) for name, value in feeds.items()}
        kept |= {f"output.{name}": value for name, value in zip(every, found, strict=True)}
        _calls.append(kept)
        _sessions[:] = [self]
        return found


_runtime.InferenceSession = _Listening  # type: ignore[attr-defined]  # before a package imports it


def last_call() -> Arrays:
    """The last call of any network: its tensors, as ``input.*`` and ``output.*``."""
    return _calls[-1]


def last_session() -> Any:
    """The session of the last call."""
    return _sessions[0]


def _calls_of(raw: Arrays, says: Callable[[], Arrays]) -> Iterator[Arrays]:
    """The calls of a network that one use of a package makes."""
    _calls.clear()
    told = says()
    for call in _calls:
        yield call | {f"raw.{name}": np.asarray(value) for name, value in (raw | told).items()}


def sounds(seed: int) -> Iterator[Any]:
    """Pieces of one second at 16 kHz: words of any voice, tones, noise and silence, drawn."""
    draw = np.random.default_rng(seed)
    time_T = np.arange(16_000) / 16_000
    while True:
        kind = draw.integers(4)
        if kind == 0:
            words = " ".join("".join(draw.choice(list("bdfgklmnprstvaeiou"), 6)) for _ in range(3))
            sound = spoken(words, int(draw.integers(10, 95)), int(draw.integers(110, 220)))
        elif kind == 1:
            sound = np.sin(2 * np.pi * draw.uniform(50, 6000) * time_T)
        else:
            sound = draw.normal(0, 0.3 * (kind - 2), 16_000)
        yield np.clip(sound * draw.uniform(0.05, 1.5), -1, 1).astype(np.float32)


def spoken(words: str, pitch: int, speed: int) -> Any:
    """The first second of ``words``, as espeak-ng says them, at 16 kHz."""
    command = ["espeak-ng", "-v", "en", "-p", f"{pitch}", "-s", f"{speed}", "--stdout", words]
    content = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    told = np.frombuffer(content[44:], "<i2") / 32768  # espeak's heading is 44 bytes, 22,050 Hz
    return np.interp(np.arange(16_000) / 16_000, np.arange(len(told)) / 22_050, told, right=0.0)


def speech(seed: int) -> Iterator[Arrays]:
    """Silero's own wrapper on a stream: it keeps context and state from piece to piece."""
    import torch
    from silero_vad.utils_vad import OnnxWrapper

    folder = Path(sysconfig.get_path("purelib"), "silero_vad", "data")
    wrapper = OnnxWrapper(str(folder / "silero_vad_16k_op15.onnx"), force_onnx_cpu=True)
    stream_T = np.concatenate(list(itertools.islice(sounds(seed), 60)))
    for number, begin in enumerate(range(0, len(stream_T) - 511, 512)):
        piece = stream_T[begin : begin + 512]
        before = stream_T[max(0, begin - 64) : begin]

        def says(piece: Any = piece) -> Arrays:
            return {"probability": wrapper(torch.from_numpy(piece), 16_000).numpy()}

        raw = {"window": np.concatenate([np.zeros(64 - len(before), np.float32), before, piece])}
        yield from _calls_of(raw | {"number": number}, says)


def pictures(seed: int) -> Iterator[tuple[Any, str]]:
    """Pictures (height, width, 3) of a line of digits and letters: any size, tilt and noise."""
    from PIL import Image, ImageDraw, ImageFont

    draw = np.random.default_rng(seed)
    while True:
        text = "".join(draw.choice(list("0123456789ABCDEFHKLMPRTUX")) for _ in range(6))
        font = ImageFont.load_default(int(draw.integers(24, 44)))
        picture = Image.new("RGB", (320, 96), tuple(int(v) for v in draw.integers(180, 256, 3)))
        ink = tuple(int(v) for v in draw.integers(0, 80, 3))
        ImageDraw.Draw(picture).text((30, 24), text, fill=ink, font=font)
        picture = picture.rotate(float(draw.uniform(-4, 4)), fillcolor=(220, 220, 220))
        noisy = np.asarray(picture, np.float64) + draw.normal(0, draw.uniform(0, 12), (96, 320, 3))
        yield np.clip(noisy, 0, 255).astype(np.uint8)[:, :, ::-1], text


def reader() -> Any:
    """RapidOCR's whole way; its detector takes pictures as they are if 96 high, not 736."""
    from rapidocr import RapidOCR

    return RapidOCR(params={"Global.log_level": "critical", "Det.limit_side_len": 96})


def text(seed: int) -> Iterator[Arrays]:
    """RapidOCR's whole way for a picture: the calls of its three networks, one after the other."""
    engine = reader()
    for picture, shown in pictures(seed):

        def says(picture: Any = picture) -> Arrays:
            return {"says": " ".join(engine(picture).txts or ())}

        yield from _calls_of({"picture": picture, "shown": shown}, says)


def eegs(seed: int, seconds: int) -> Iterator[Any]:
    """Noise like an EEG's at 250 Hz, in microvolts: each twice as high an eighth as strong."""
    draw = np.random.default_rng(seed)
    count = 250 * seconds
    while True:
        spectrum = np.fft.rfft(draw.normal(0, 1, count))
        hertz = np.fft.rfftfreq(count, 1 / 250)
        wave_T = np.fft.irfft(spectrum / np.maximum(hertz, 0.7) ** draw.uniform(0.6, 1.4), count)
        wave_T *= 30 / wave_T.std()
        for at in draw.uniform(1, seconds - 2, int(draw.integers(0, seconds // 4))):
            time_T = np.arange(count) / 250 - at
            burst_T = np.exp(-((time_T / 0.35) ** 2)) * np.sin(2 * np.pi * 13.3 * time_T)
            wave_T += draw.uniform(10, 60) * burst_T
        yield wave_T


def spindles(seed: int) -> Iterator[Arrays]:
    """OpenSpindleNet as its package has it, for one window."""
    from brainmaze_eeg_models.spindles import SpindleDetector

    detector = SpindleDetector("eeg", device="cpu", threads=1)
    for wave_T in eegs(seed, 30):

        def says(wave_T: Any = wave_T) -> Arrays:
            return dict(detector.predict_windows(wave_T))

        yield from _calls_of({"window": wave_T}, says)


def seizures(seed: int) -> Iterator[Arrays]:
    """The model of seizures as its package has it, for one window of a minute."""
    from brainmaze_eeg_models.seizure import infer_seizure_probability, preprocess_input

    for wave_T in eegs(seed, 60):

        def says(wave_T: Any = wave_T) -> Arrays:
            return {"probability": infer_seizure_probability(preprocess_input(wave_T, 250))}

        yield from _calls_of({"window": wave_T}, says)


def content_types(seed: int) -> Iterator[Arrays]:
    """Magika on parts of files of this very environment, which are of many kinds."""
    from magika import Magika

    magika, draw = Magika(), np.random.default_rng(seed)
    files = sorted(p for p in Path(sysconfig.get_path("purelib")).rglob("*.*") if p.is_file())
    while True:
        content = files[draw.integers(len(files))].read_bytes()
        begin = int(draw.integers(0, max(1, len(content) // 2)))
        part = content[begin : begin + int(draw.integers(20, 20_000))]

        def says(part: bytes = part) -> Arrays:
            return {"says": str(magika.identify_bytes(part).dl)}

        yield from _calls_of({"bytes": np.frombuffer(part, np.uint8)}, says)


NAMES: dict[str, Callable[[int], Iterator[Arrays]]] = {
    "speech": speech,
    "text": text,
    "sleep-spindles": spindles,
    "seizures": seizures,
    "content-type": content_types,
}


def main(name: str, count: str, seed: str, folder: str) -> None:
    """Write ``count`` calls of the network ``name``, on inputs drawn from ``seed``."""
    for number, call in enumerate(itertools.islice(NAMES[name](int(seed)), int(count))):
        np.savez(Path(folder, f"{number:04}.npz"), **call)


if __name__ == "__main__":
    main(*sys.argv[1:])
