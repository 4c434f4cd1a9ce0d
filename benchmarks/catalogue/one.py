"""One network of the catalogue, measured in a process of its own: ``one.py FILE EXAMPLE SHAPES``.

It prints, as JSON, the megabytes that the process takes beyond ONNX Runtime itself at most, and the
milliseconds of processor time of one answer to the worked example (the median), on one thread. The
inputs that SHAPES names, a JSON object, are the example's repeated to that size.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import psutil

from fl_client.inference.onnx_model import OnnxModel
from fl_common.files.packed import read_npz

_MOST_BYTES = 1 << 30
_SECONDS, _MOST = 2.0, 200


def main(file: str, example: str, shapes: str) -> None:
    """Measure the network in ``file`` on its worked ``example``, in these ``shapes``."""
    arrays = read_npz(Path(example), _MOST_BYTES)
    content = Path(file).read_bytes()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: it was that of a parent
    before = psutil.Process().memory_info().rss - len(content)
    model = OnnxModel(content, threads=1)
    del content
    inputs = {tensor.name: arrays[tensor.name] for tensor in model.inputs}
    inputs |= {name: np.resize(inputs[name], size) for name, size in json.loads(shapes).items()}
    model.run(inputs)
    peak = _peak()
    spent: list[float] = []
    while not spent or (sum(spent) < _SECONDS and len(spent) < _MOST):
        began = time.process_time()
        model.run(inputs)
        spent.append(time.process_time() - began)
    spent_ms = 1000 * statistics.median(spent)
    sys.stdout.write(json.dumps({"megabytes": (peak - before) / 1e6, "milliseconds": spent_ms}))


def _peak() -> int:
    """The most bytes that the process had in memory, as Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
