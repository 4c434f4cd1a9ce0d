"""``python -m benchmarks.edge.pictures``: from a picture's bytes to its window, on one core.

A file of 640 x 480 pixels is read by a declared sensor and made a window: header, unpacking,
float32 and the order of channels. The picture is a smooth one with a little noise, as a camera's.
Printed is the median of each in milliseconds, beside Pillow alone, which unpacks the same file.
"""

import io
import sys
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from fl_client.sensors.decoders.pictures import PictureDecoder
from fl_client.sensors.sensor import Channel, Sensor
from fl_client.sensors.transports import Delivery
from fl_client.windows import Slicing, Source
from fl_client.windows.frames import Frames
from models import tasks

HEIGHT, WIDTH, TIMES = 480, 640, 200
START = 1_700_000_000 * 10**9


def main() -> None:
    """Measure and print."""
    rng = np.random.default_rng(0)
    plane = np.add.outer(np.linspace(0, 120, HEIGHT), np.linspace(0, 120, WIDTH))
    noisy = plane[..., None] + rng.normal(0, 4, (HEIGHT, WIDTH, 3))
    image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
    for names in (("red", "green", "blue"), ("grey",)):
        for form in ("jpeg", "png"):
            file = io.BytesIO()
            image.save(file, form)
            content = file.getvalue()
            whole, alone = _median(_window(content, names)), _median(_pillow(content, len(names)))
            size = f"{len(content) / 1000:.0f} kB"
            ms = f"{whole:.1f} ms, Pillow {alone:.1f} ms"
            sys.stdout.write(f"{form} of {size}, {len(names)} channels: {ms}\n")


def _window(content: bytes, names: tuple[str, ...]) -> Callable[[int], object]:
    count = len(names)
    task = tasks.declared(
        "measured", names, ["level"] * count, None, [count, HEIGHT, WIDTH], ["a", "b"],
        [0.0] * count, [1.0] * count, 1,
    )  # fmt: skip
    one = PictureDecoder(["jpeg", "png"], WIDTH, HEIGHT, None, None, "arrival")
    sensor = Sensor("camera", "c", one, [Channel(n, n, "level") for n in names], task)
    slicing = Slicing(step=1, longest_gap_s=1.0, lateness_s=1.0, ahead_s=60.0)
    frames = Frames(task, [Source("camera", names, None)], slicing)

    def run(number: int) -> object:
        readings, _ = sensor.read(Delivery("c", content), START + number)
        frames.add([readings], START)
        return frames.closed()

    return run


def _pillow(content: bytes, channels: int) -> Callable[[int], object]:
    mode = "RGB" if channels > 1 else "L"
    return lambda _: np.asarray(Image.open(io.BytesIO(content)).convert(mode))


def _median(run: Callable[[int], object]) -> float:
    taken = []
    for number in range(TIMES):
        began = time.perf_counter()
        run(number)
        taken.append(time.perf_counter() - began)
    return float(np.median(taken)) * 1000


if __name__ == "__main__":
    main()
