"""The worked examples of the catalogue: one input each, and what its package's own code finds.

In the environment of ``catalogue_values.py``: python catalogue_examples.py FOLDER. Values are
rounded where a network does not mind, so that the files are small.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import catalogue_values as judge
import numpy as np

_LARGEST_OUTPUT = 20_000  # bytes; a larger one is found again when the network is added


def _text() -> Iterator[tuple[str, Any]]:
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (160, 96), (235, 235, 230))
    words = ImageDraw.Draw(picture)
    words.text((30, 28), "04711", fill=(20, 20, 30), font=ImageFont.load_default(36))
    upright = np.ascontiguousarray(np.asarray(picture)[:, :, ::-1])
    engine = judge.reader()
    engine(upright)  # which loads the three
    engine.text_det(upright)
    yield "text-detector", judge.last_call()
    line = upright[24:72, 24:136]
    engine.text_cls([np.ascontiguousarray(line[::-1, ::-1])])
    yield "text-direction", judge.last_call()
    from rapidocr.ch_ppocr_rec import TextRecInput

    engine.text_rec(TextRecInput(img=[line]))
    yield "text-reader", judge.last_call()


def _others() -> Iterator[tuple[str, Any]]:
    import torch
    from brainmaze_eeg_models.seizure import infer_seizure_probability, preprocess_input
    from brainmaze_eeg_models.spindles import SpindleDetector
    from magika import Magika
    from silero_vad.utils_vad import OnnxWrapper

    folder = Path(judge.sysconfig.get_path("purelib"), "silero_vad", "data")
    wrapper = OnnxWrapper(str(folder / "silero_vad_16k_op15.onnx"), force_onnx_cpu=True)
    sound = judge.spoken("a worked example", 50, 150).astype(np.float32)
    for begin in range(0, 5120, 512):  # the network is surer when it has heard more
        wrapper(torch.from_numpy(sound[begin : begin + 512]), 16_000)
    yield "speech", judge.last_call()
    Magika().identify_bytes(Path(__file__).read_bytes())
    yield "content-type", judge.last_call()
    noise = np.random.default_rng(5).normal(0, 1, 7500)
    wave = np.cumsum(noise) - np.cumsum(noise).mean()
    wave = np.convolve(wave, [1, -0.98], "same") * 5
    time = np.arange(7500) / 250 - 15.5
    wave += 30 * np.exp(-((time / 0.4) ** 2)) * np.sin(2 * np.pi * 13.3 * time)
    detector = SpindleDetector("eeg", device="cpu", threads=1)
    detector.predict_windows(wave)
    yield "sleep-spindles", _again(judge.last_call(), judge.last_session(), 1 / 32)
    eeg = next(judge.eegs(2, 30))
    spectra = np.round(preprocess_input(eeg, 250) * 16) / 16
    infer_seizure_probability(spectra)
    yield "seizures", judge.last_call()


def _again(call: Any, session: Any, step: float) -> Any:
    """The call with its inputs rounded to multiples of ``step``."""
    feeds = {name[6:]: np.round(value / step) * np.float32(step)
             for name, value in call.items() if name.startswith("input.")}  # fmt: skip
    session.run(None, feeds)
    return judge.last_call()


def main(to: str) -> None:
    """Write an example for each network to the folder ``to``."""
    for one in (_text(), _others()):
        for name, call in one:
            kept = {
                key.partition(".")[2]: value
                for key, value in call.items()
                if key.startswith("input.") or value.nbytes <= _LARGEST_OUTPUT
            }
            np.savez_compressed(Path(to, f"{name}.npz"), **kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
