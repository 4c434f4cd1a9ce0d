"""What a node has to share with: many clients of its inference service, and one of its own name."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil

from benchmarks.edge.sensor import CHANNELS, ROWS_OF_WINDOW
from fl_client.inference.oip import open_inference_pb2 as oip
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import World, expected_starts, node, place_model, wait_for
from tests.support.ports import free_port

_CLIENTS, _CALLS = 200, 20
_AGAIN_S = 0.05
_PART, _PAUSE_S = 5, 0.2
_TWINS_S = 300.0
_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_TOLD = "broker.identity of its own"


def measure_clients(folder: Path) -> dict[str, Any]:
    """Clients that call at once, each again after its answer, while sensors send."""
    home, port = folder / "box", free_port()
    home.mkdir(parents=True)
    place_model(home)
    found = dict[str, Any]()
    with (
        Mosquitto(folder / "broker") as broker,
        node(home, broker.port, f"serving.address=127.0.0.1:{port}") as box,
        World(broker.port, "box") as world,
    ):
        box.wait()
        process = psutil.Process(box.process.pid)
        before = process.memory_info().rss
        calling = threading.Thread(target=lambda: found.update(asyncio.run(_call(port))))
        calling.start()
        sent = 0
        while calling.is_alive():
            world.send(sent, sent + _PART)
            sent += _PART
            time.sleep(_PAUSE_S)
        wait_for(lambda: world.starts() == expected_starts(sent), "each window's prediction")
        wait_for(lambda: box.status()["messages"]["received"] == sent, "all messages")
        counts = box.status()["messages"]
        grown = process.memory_info().rss - before
    return {**found, "messages": sent, "counts": counts, "grown": grown}


async def _call(port: int) -> dict[str, Any]:
    outcomes, latencies_s, began = Counter[str](), list[float](), time.monotonic()
    calls = (_client(port, outcomes, latencies_s) for _ in range(_CLIENTS))
    await asyncio.gather(*calls)
    latencies_s.sort()
    return {
        "clients": _CLIENTS,
        "outcomes": dict(outcomes),
        "seconds": time.monotonic() - began,
        "p50": latencies_s[len(latencies_s) // 2],
        "p99": latencies_s[len(latencies_s) * 99 // 100],
    }


async def _client(port: int, outcomes: Counter[str], latencies_s: list[float]) -> None:
    shape = (1, ROWS_OF_WINDOW, CHANNELS)
    asked = oip.ModelInferRequest(model_name="model")
    asked.inputs.add(name="values", datatype="FP32", shape=shape)
    asked.raw_input_contents.append(np.zeros(shape, "<f4").tobytes())
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(
            _METHOD,
            request_serializer=oip.ModelInferRequest.SerializeToString,
            response_deserializer=oip.ModelInferResponse.FromString,
        )
        answers = 0
        while answers < _CALLS:
            began = time.monotonic()
            try:
                await call(asked)
            except grpc.aio.AioRpcError as error:
                outcomes[error.code().name] += 1
                if error.code() is not grpc.StatusCode.RESOURCE_EXHAUSTED:
                    raise
                await asyncio.sleep(_AGAIN_S)
            else:
                outcomes["OK"] += 1
                answers += 1
                latencies_s.append(time.monotonic() - began)


def measure_twins(folder: Path, sleep: Callable[[float], None] = time.sleep) -> dict[str, Any]:
    """Two nodes with one identity: when that is told, and how often they connect."""
    for name in ("first", "second"):
        (folder / name).mkdir(parents=True)
        place_model(folder / name)
    shared = "broker.identity=twins"
    with (
        Mosquitto(folder / "broker") as broker,
        node(folder / "first", broker.port, shared, "name=first") as one,
        node(folder / "second", broker.port, shared, "name=second") as other,
    ):
        began = time.monotonic()
        wait_for(lambda: _TOLD in one.log() + other.log(), "one of them to tell")
        told_s = time.monotonic() - began
        sleep(_TWINS_S - told_s)
        both = one.log() + other.log()
    return {"seconds": _TWINS_S, "told_s": told_s, "connections": both.count("connected to")}
