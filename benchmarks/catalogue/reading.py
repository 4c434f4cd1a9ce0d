"""From a picture to what ``display-read`` tells, as on a box: ``reading.py FILE KIND COUNT``.

FILE is the network ``text-reader``, KIND one of ``displays.KINDS``. It prints, as JSON, what was
told of COUNT pictures, the milliseconds of processor time of each in the median, and the megabytes
that the process takes at most beyond what it takes before it loads the network and the runner.
"""

import io
import json
import statistics
import sys
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

from benchmarks.catalogue.displays import HEIGHT, REGION, WIDTH, drawn
from fl_client.sensors.decoders.pictures import PictureDecoder
from fl_common.functions.events import Window
from fl_server.repository.catalogue.shelf import own_folder
from simulate.functions.models import asked_file
from simulate.functions.opened import open_folder

SCALED = (224, 48)
SEED = 20_261_201
FUNCTION = own_folder() / "functions" / "display-read"


class Reader:
    """Reads a display by the network in ``file``, as a box does whose camera is grey."""

    def __init__(self, file: Path, region: tuple[int, int, int, int] = REGION) -> None:
        self._decoder = PictureDecoder(["png"], WIDTH, HEIGHT, region, SCALED, "arrival")
        self._model, self._opened = asked_file(file), open_folder(FUNCTION)

    def __call__(self, picture: bytes) -> Mapping[str, Any]:
        """The kind of the event that it tells of a PNG, and its data."""
        values = self._decoder.decode(picture, ("grey",), 0).values_NC
        window = Window(0, 0, ("grey",), values.ravel().tolist(), "")
        outcome = self._opened.function.call(window, {}, self._model)
        if outcome.failure is not None:
            raise RuntimeError(outcome.failure.text)
        (event,) = outcome.events
        return {"kind": event.kind, **event.data}


def as_png(picture: Any) -> bytes:
    """The file of a picture."""
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def main(file: str, kind: str, count: str) -> None:
    """Print what was found."""
    process = psutil.Process()
    before = process.memory_info().rss
    reader = Reader(Path(file))
    found, seconds, most = [], [], before
    for picture, _ in islice(drawn(kind, SEED), int(count)):
        content, began = as_png(picture), time.process_time()
        found.append(reader(content))
        seconds.append(time.process_time() - began)
        most = max(most, process.memory_info().rss)
    milliseconds = 1000 * statistics.median(seconds)
    told = {"found": found, "milliseconds": milliseconds, "megabytes": (most - before) / 1e6}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
