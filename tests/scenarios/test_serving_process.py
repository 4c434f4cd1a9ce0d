"""The sensing side alone, in a process: what it may not load, and what it may hold."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.model_files import published, slot_with

SERVING = """
import asyncio, json, sys
from pathlib import Path
import numpy as np
import psutil
from fl_client.inference.engine import Engine
from fl_client.inference.events import prediction_event
from fl_client.inference.server import InferenceServer
from fl_client.inference.slots import ModelSlot
from fl_client.sensors.transports.http.access import Access
from tests.support.engines import no_trial
from tests.support.samples import TASK

engine = Engine(ModelSlot(Path(sys.argv[1])), TASK, 1, 64, no_trial, 60.0)
assert engine.swap()

def resident():
    return psutil.Process().memory_info().rss // 2**20

async def main():
    anybody = Access(None, None, None, None)
    server = InferenceServer({"toy": engine}, anybody, "127.0.0.1:0", 1, 4, 1_000_000)
    await server.start()
    first = None
    for size in [1, 7, 64, 200, 3] * 200:
        engine.predict(np.ones((size, *TASK.window_shape), np.float32))
        first = first or resident()
    await server.stop(0.0)
    heavy = sorted({"torch", "flwr", "opacus", "tuf"} & set(sys.modules))
    print(json.dumps({"heavy": heavy, "first_mb": first, "mb": resident()}))

asyncio.run(main())
"""


def test_engine_and_service_load_nothing_heavy_and_stay_small(tmp_path: Path) -> None:
    slot = slot_with(tmp_path / "slot", published(tmp_path / "one.onnx", 1))
    command = [sys.executable, "-c", SERVING, str(slot.folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert found["heavy"] == []
    assert found["mb"] < 200
    assert found["mb"] - found["first_mb"] < 20
