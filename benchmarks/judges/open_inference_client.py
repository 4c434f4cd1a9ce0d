"""NVIDIA's client (tritonclient) asks an inference service; its answers go out as JSON.

It runs in an environment of its own (``benchmarks.measuring.environments.judge_python``): its
generated code and ours can't be loaded by one process.

    python open_inference_client.py calls ADDRESS MODEL        (N, 8, 2) in, probabilities out
    python open_inference_client.py vad ADDRESS MODEL FILE     speech chunks in FILE (.npy)
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as client
from tritonclient.grpc import service_pb2 as messages
from tritonclient.grpc import service_pb2_grpc as stubs

WINDOWS = np.ones((3, 8, 2), np.float32)


def calls(address: str, model: str) -> dict[str, Any]:
    """Every call of the protocol, and every way to call wrongly."""
    triton = client.InferenceServerClient(address)
    stub = stubs.GRPCInferenceServiceStub(grpc.insecure_channel(address))
    metadata = triton.get_model_metadata(model, as_json=True)
    return {
        "live": triton.is_server_live(),
        "ready": triton.is_server_ready(),
        "model_ready": triton.is_model_ready(model),
        "empty_ready": triton.is_model_ready("empty"),
        "other_version_ready": triton.is_model_ready(model, "0" * 64),
        "server": triton.get_server_metadata(as_json=True),
        "metadata": metadata,
        "raw": infer(triton, model, WINDOWS).as_numpy("probabilities").tolist(),
        "answer": infer(triton, model, WINDOWS).get_response(as_json=True),
        "typed": typed(stub, request_of(model)),
        "codes": codes(triton, stub, model),
    }


def infer(triton: Any, model: str, values: Any, **options: Any) -> Any:
    """One inference by the client's own interface; its tensors travel raw."""
    datatype = {"float32": "FP32", "float64": "FP64"}[str(values.dtype)]
    tensor = client.InferInput("values", list(values.shape), datatype)
    tensor.set_data_from_numpy(values)
    outputs = [client.InferRequestedOutput("probabilities")]
    return triton.infer(model, [tensor], outputs=outputs, request_id="seven", **options)


def request_of(model: str) -> Any:
    """A request with typed contents, which the client's interface does not send."""
    request = messages.ModelInferRequest(model_name=model)
    tensor = request.inputs.add(name="values", datatype="FP32", shape=WINDOWS.shape)
    tensor.contents.fp32_contents.extend(WINDOWS.ravel().tolist())
    return request


def typed(stub: Any, request: Any) -> dict[str, Any]:
    """The typed contents of the answer, and how many raw ones there were."""
    answer = stub.ModelInfer(request)
    return {
        output.name: np.reshape(output.contents.fp32_contents, output.shape).tolist()
        for output in answer.outputs
    } | {"raw": len(answer.raw_output_contents)}


def codes(triton: Any, stub: Any, model: str) -> dict[str, str]:
    """The status code of each wrong call."""
    cut = request_of(model)
    cut.inputs[0].contents.fp32_contents.pop()
    short = request_of(model)
    short.inputs[0].ClearField("contents")
    short.raw_input_contents.append(b"123")
    both = request_of(model)
    both.raw_input_contents.append(WINDOWS.tobytes())
    twice = request_of(model)
    twice.inputs.append(twice.inputs[0])
    shared = request_of(model)
    shared.inputs[0].parameters["shared_memory_region"].string_param = "region"
    large = np.ones((20_000, 8, 2), np.float32)
    tries: dict[str, Callable[[], Any]] = {
        "unknown model": lambda: infer(triton, "absent", WINDOWS),
        "unknown model's metadata": lambda: triton.get_model_metadata("absent"),
        "unknown model ready": lambda: triton.is_model_ready("absent"),
        "unknown version": lambda: infer(triton, model, WINDOWS, model_version="7"),
        "nothing serves": lambda: infer(triton, "empty", WINDOWS),
        "nothing serves, metadata": lambda: triton.get_model_metadata("empty"),
        "another type": lambda: infer(triton, model, WINDOWS.astype(np.float64)),
        "another shape": lambda: infer(triton, model, WINDOWS[:, :4]),
        "no input": lambda: stub.ModelInfer(messages.ModelInferRequest(model_name=model)),
        "too few elements": lambda: stub.ModelInfer(cut),
        "too few raw bytes": lambda: stub.ModelInfer(short),
        "raw and typed": lambda: stub.ModelInfer(both),
        "an input twice": lambda: stub.ModelInfer(twice),
        "shared memory": lambda: stub.ModelInfer(shared),
        "a call of the repository extension": triton.get_model_repository_index,
        "too large": lambda: infer(triton, model, large),
    }
    return {name: code_of(call) for name, call in tries.items()}


def code_of(call: Callable[[], Any]) -> str:
    """The name of the status code that a call ends with."""
    try:
        call()
    except client.InferenceServerException as error:
        return str(error.status()).removeprefix("StatusCode.")
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def vad(address: str, model: str, file: str) -> dict[str, Any]:
    """Speech probability of each chunk, the state carried from call to call."""
    triton = client.InferenceServerClient(address)
    state, found = np.zeros((2, 1, 128), np.float32), []
    rate = np.array(16_000, np.int64)
    for chunk in np.load(file):
        arrays = {"input": chunk[None], "state": state, "sr": rate}
        inputs = []
        for name, array in arrays.items():
            datatype = "INT64" if name == "sr" else "FP32"
            inputs.append(client.InferInput(name, list(array.shape), datatype))
            inputs[-1].set_data_from_numpy(array)
        answer = triton.infer(model, inputs)
        state = answer.as_numpy("stateN")
        found.append(float(answer.as_numpy("output")[0, 0]))
    return {"speech": found}


if __name__ == "__main__":
    found = calls(*sys.argv[2:]) if sys.argv[1] == "calls" else vad(*sys.argv[2:])
    json.dump(found, sys.stdout)
