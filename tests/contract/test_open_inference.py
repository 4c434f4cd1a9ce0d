"""The Open Inference Protocol, judged by NVIDIA's client in a process of its own."""

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from onnx import TensorProto

from benchmarks.measuring.environments import ROOT, judge_python
from benchmarks.measuring.measure import ProcessFailed
from fl_client.inference.engine import Engine
from fl_client.inference.oip import open_inference_pb2 as oip
from fl_client.inference.server import InferenceServer
from fl_client.inference.slots import ModelSlot
from fl_common.errors import InvalidConfiguration
from fl_common.vocabulary import Floats
from models.onnx.runtime import onnxruntime
from tests.support.engines import any_engine, engine_on
from tests.support.model_files import doubler, published, slot_with
from tests.support.posts import anybody

CLIENT = ROOT / "benchmarks" / "judges" / "open_inference_client.py"


@pytest.fixture(scope="module")
def judge() -> Path:
    """Python with the foreign client and model; without a network a test is skipped, not in CI."""
    try:
        return judge_python("open_inference")
    except ProcessFailed as error:
        if "CI" in os.environ:
            raise
        pytest.skip(f"needs tritonclient and silero-vad from a package index: {error}")


def serve(models: Mapping[str, Engine], use: Callable[[int], Awaitable[Any]]) -> Any:
    """What ``use`` returns for the port at which ``models`` are served."""

    async def main() -> Any:
        server = InferenceServer(models, anybody(), "127.0.0.1:0", 2, 16, 1_000_000)
        port = await server.start()
        try:
            return await use(port)
        finally:
            await server.stop(0.0)

    return asyncio.run(main())


def judged(judge: Path, models: Mapping[str, Engine], does: str, *arguments: str) -> Any:
    """What the foreign client says of the first of ``models``."""

    async def ask(port: int) -> Any:
        command = [str(judge), str(CLIENT), does, f"127.0.0.1:{port}", next(iter(models))]
        process = await asyncio.create_subprocess_exec(
            *command, *arguments, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0
        return json.loads(output)

    return serve(models, ask)


@pytest.mark.slow
def test_a_foreign_client_gets_what_the_protocol_says(judge: Path, tmp_path: Path) -> None:
    slot = slot_with(tmp_path / "slot", published(tmp_path / "one.onnx", 1))
    engine = engine_on(slot)
    engine.swap()
    empty = any_engine(ModelSlot(tmp_path / "empty"))
    found = judged(judge, {"toy": engine, "empty": empty}, "calls")
    expected = engine.predict(np.ones((3, 8, 2), np.float32)).answers_ND

    assert (found["live"], found["ready"], found["model_ready"]) == (True, False, True)
    assert (found["empty_ready"], found["other_version_ready"]) == (False, False)
    assert found["server"]["name"] == "join-the-dots"
    assert found["metadata"] == {
        "name": "toy",
        "versions": [slot.current()],
        "platform": "onnx_onnxv1",
        "inputs": [{"name": "values", "datatype": "FP32", "shape": ["-1", "8", "2"]}],
        "outputs": [{"name": "probabilities", "datatype": "FP32", "shape": ["-1", "3"]}],
    }
    np.testing.assert_array_equal(np.float32(found["raw"]), expected)
    assert found["answer"]["id"] == "seven"
    assert found["answer"]["model_version"] == slot.current()
    assert found["typed"].pop("raw") == 0
    np.testing.assert_array_equal(np.float32(found["typed"]["probabilities"]), expected)
    assert found["codes"] == {
        "unknown model": "NOT_FOUND",
        "unknown model's metadata": "NOT_FOUND",
        "unknown model ready": "NOT_FOUND",
        "unknown version": "NOT_FOUND",
        "nothing serves": "UNAVAILABLE",
        "nothing serves, metadata": "UNAVAILABLE",
        "another type": "INVALID_ARGUMENT",
        "another shape": "INVALID_ARGUMENT",
        "no input": "INVALID_ARGUMENT",
        "too few elements": "INVALID_ARGUMENT",
        "too few raw bytes": "INVALID_ARGUMENT",
        "raw and typed": "INVALID_ARGUMENT",
        "an input twice": "INVALID_ARGUMENT",
        "shared memory": "UNIMPLEMENTED",
        "a call of the repository extension": "UNIMPLEMENTED",
        "too large": "RESOURCE_EXHAUSTED",
    }


def vowel_between_silences(seconds: float = 0.6) -> Floats:
    """Something like a voice at 16 kHz: pulses at 120 Hz through three resonances, then hushed."""
    rate = 16_000
    times_T = np.arange(int(seconds * rate)) / rate
    pulses_T = (np.diff(np.floor(times_T * (120 + 10 * np.sin(9 * times_T))), prepend=0) > 0) * 1.0
    kernel_S = np.arange(400) / rate
    voice_T = np.zeros_like(times_T)
    for frequency, width in ((700, 80), (1220, 90), (2600, 120)):
        resonance = np.exp(-np.pi * width * kernel_S) * np.sin(2 * np.pi * frequency * kernel_S)
        voice_T += np.convolve(pulses_T, resonance)[: len(times_T)]
    voice_T *= 0.3 / np.abs(voice_T).max() * np.clip(np.sin(8 * times_T) + 0.6, 0, 1)
    silence = np.zeros(rate // 5)
    return np.concatenate([silence, voice_T, silence]).astype(np.float32)


def chunks_of(sound_T: Floats) -> Floats:
    """Pieces of 512 with the 64 before them, as Silero VAD takes them: (N, 576)."""
    padded = np.concatenate([np.zeros(64, np.float32), sound_T])
    edges = range(0, len(sound_T) + 1, 512)
    return np.stack([padded[start : end + 64] for start, end in pairwise(edges)])


Step = Callable[[dict[str, Any]], tuple[Any, Any]]


def speech_of(step: Step, chunks_NS: Floats, carry: bool) -> list[float]:
    state, found = np.zeros((2, 1, 128), np.float32), []
    for chunk_S in chunks_NS:
        inputs = {"input": chunk_S[None], "state": state, "sr": np.array(16_000)}
        output, after = step(inputs)
        state = after if carry else state
        found.append(float(output[0, 0]))
    return found


@pytest.mark.slow
def test_a_stateful_foreign_model_runs_with_its_state_in_tensors(
    judge: Path, tmp_path: Path
) -> None:
    (file,) = judge.parent.parent.glob("lib/python*/site-packages/silero_vad/data/silero_vad.onnx")
    engine = any_engine(slot_with(tmp_path / "slot", file))
    assert engine.swap()
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

    def ours(inputs: dict[str, Any]) -> tuple[Any, Any]:
        outputs = engine.infer(inputs).outputs
        return outputs["output"], outputs["stateN"]

    def direct(inputs: dict[str, Any]) -> tuple[Any, Any]:
        output, state = session.run(["output", "stateN"], inputs)
        return output, state

    chunks_NS = chunks_of(vowel_between_silences())
    np.save(tmp_path / "chunks.npy", chunks_NS)
    carried = speech_of(direct, chunks_NS, carry=True)
    assert speech_of(ours, chunks_NS, carry=True) == pytest.approx(carried, abs=1e-5)
    reset = speech_of(ours, chunks_NS, carry=False)
    assert max(abs(a - b) for a, b in zip(carried, reset, strict=True)) > 0.05
    assert max(carried) > 0.5 > carried[0]
    found = judged(judge, {"vad": engine}, "vad", str(tmp_path / "chunks.npy"))
    assert found["speech"] == pytest.approx(carried, abs=1e-5)


def test_an_address_that_is_taken_is_told(tmp_path: Path) -> None:
    slot = slot_with(tmp_path / "slot", doubler(tmp_path / "a.onnx", TensorProto.FLOAT))
    models = {"a": any_engine(slot)}

    async def again(port: int) -> None:
        second = InferenceServer(models, anybody(), f"127.0.0.1:{port}", 1, 1, 1_000_000)
        with pytest.raises(InvalidConfiguration, match=r"can't be listened on. Choose a free"):
            await second.start()

    serve(models, again)


def test_calls_at_once_are_all_answered_while_the_model_is_swapped(tmp_path: Path) -> None:
    slot = slot_with(tmp_path / "slot", published(tmp_path / "zero.onnx", 0))
    engine = engine_on(slot)
    engine.swap()
    first = str(slot.current())
    second = slot.place(published(tmp_path / "one.onnx", 1))
    request = oip.ModelInferRequest(model_name="toy")
    request.inputs.add(name="values", datatype="FP32", shape=(1, 8, 2))
    request.raw_input_contents.append(np.ones((1, 8, 2), np.float32).tobytes())

    async def ask(port: int) -> list[tuple[str, int]]:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_unary(
                "/inference.GRPCInferenceService/ModelInfer",
                request_serializer=oip.ModelInferRequest.SerializeToString,
                response_deserializer=oip.ModelInferResponse.FromString,
            )

            async def some() -> list[Any]:
                return [await call(request) for _ in range(20)]

            asking = [asyncio.create_task(some()) for _ in range(8)]
            await call(request)
            slot.activate(second)
            assert await asyncio.to_thread(engine.swap)
            answers = [answer for each in asking for answer in await each]
            answers.append(await call(request))
        return [(answer.model_version, best_of(answer)) for answer in answers]

    answers = serve({"toy": engine}, ask)
    assert len(answers) == 161
    assert set(answers) <= {(first, 0), (second, 1)}
    assert answers[-1] == (second, 1)


def best_of(answer: oip.ModelInferResponse) -> int:
    at = [output.name for output in answer.outputs].index("probabilities")
    return int(np.frombuffer(answer.raw_output_contents[at], np.float32).argmax())
