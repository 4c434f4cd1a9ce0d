"""The inference service of a box: the Open Inference Protocol v2 over gRPC, on the same engines.

A call runs the model that serves when it begins. Status codes are KServe's: INVALID_ARGUMENT for
wrong input, NOT_FOUND for an unknown model or version, UNAVAILABLE for a model without a version
that serves, UNIMPLEMENTED for what this service lacks, INTERNAL for everything else. Above
``most_calls`` concurrent calls gRPC replies RESOURCE_EXHAUSTED.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass
from numpy.typing import NDArray

from fl_client.inference.engine import Engine
from fl_client.inference.oip import open_inference_pb2 as oip
from fl_client.inference.oip.tensors import DATATYPES, from_contents, from_raw, to_contents, to_raw
from fl_client.inference.onnx_model import Tensor
from fl_client.sensors.transports.http.access import Access
from fl_common.configuration.addresses import endpoint
from fl_common.configuration.rules import require, whole
from fl_common.errors import InvalidConfiguration, InvalidData, NoModel
from fl_common.vocabulary import NamedArrays

_log = logging.getLogger(__name__)

_SERVICE = oip.DESCRIPTOR.services_by_name["GRPCInferenceService"]
_NOT_SERVED = ("shared_memory_region", "classification", "sequence_id")
"""Parameters of other servers that would change the meaning of a call."""


class UnknownModel(Exception):
    """A name or version that is not served."""


_CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (InvalidData, grpc.StatusCode.INVALID_ARGUMENT),
    (UnknownModel, grpc.StatusCode.NOT_FOUND),
    (NoModel, grpc.StatusCode.UNAVAILABLE),
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED),
)


class InferenceServer:
    """Serves ``models`` (engines by name) at ``address``, "host:port" with port 0 for a free one.

    ``workers`` threads run the models; at most ``most_calls`` calls are accepted at once, of at
    most ``largest_message_bytes`` each. Beyond the loopback interface ``access`` must have TLS and
    a token, which calls send as metadata: ``authorization: Bearer TOKEN``.

    Raises:
        InvalidConfiguration: ``address`` can be reached from outside without them.
    """

    def __init__(
        self,
        models: Mapping[str, Engine],
        access: Access,
        address: str,
        workers: int,
        most_calls: int,
        largest_message_bytes: int,
    ) -> None:
        require("serving.workers", workers, whole(1))
        require("serving.most_calls", most_calls, whole(1))
        require("serving.largest_message_bytes", largest_message_bytes, whole(1))
        access.check_host(endpoint("serving.address", address, least_port=0).host, "address")
        self._calls, self._access = _Calls(models), access
        self._address, self._workers, self._most_calls = address, workers, most_calls
        self._largest_message_bytes = largest_message_bytes

    async def start(self) -> int:
        """Start serving; returns the port.

        Raises:
            InvalidConfiguration: the address can't be used.
        """
        self._pool = ThreadPoolExecutor(self._workers, "inference")
        self._server = grpc.aio.server(
            interceptors=[_Guard(self._access)],
            maximum_concurrent_rpcs=self._most_calls,
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_receive_message_length", self._largest_message_bytes),
                ("grpc.max_send_message_length", self._largest_message_bytes),
            ],
        )
        handlers = {method.name: self._handler(method) for method in _SERVICE.methods}
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE.full_name, handlers),)
        )
        try:
            port = self._listen()
        except RuntimeError as error:
            self._pool.shutdown()
            raise InvalidConfiguration(
                f"address {self._address}", "can't be listened on", "Choose a free host:port"
            ) from error
        await self._server.start()
        return port

    def _listen(self) -> int:
        pair = self._access.pair()
        if pair is None:
            return int(self._server.add_insecure_port(self._address))
        credentials = grpc.ssl_server_credentials([pair])
        return int(self._server.add_secure_port(self._address, credentials))

    async def stop(self, grace_s: float) -> None:
        """Accept no more calls, and cancel those that still run after ``grace_s`` seconds."""
        await self._server.stop(grace_s)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _handler(self, method: Any) -> grpc.RpcMethodHandler:
        call: Callable[[Any], Any] = getattr(self._calls, method.name)

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            loop = asyncio.get_running_loop()
            return await _with_status(loop.run_in_executor(self._pool, call, request), context)

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )


class _Guard(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Ends calls without the token with UNAUTHENTICATED."""

    def __init__(self, access: Access) -> None:
        async def refuse(_: Any, context: grpc.aio.ServicerContext) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "authorization: Bearer TOKEN")

        self._access, self._refusal = access, grpc.unary_unary_rpc_method_handler(refuse)

    async def intercept_service(self, continuation: Any, call: Any) -> Any:
        """``grpc.aio``'s own."""
        given = dict(call.invocation_metadata).get("authorization", "")
        allowed = self._access.allows(given.encode() if isinstance(given, str) else given)
        return await continuation(call) if allowed else self._refusal


async def _with_status(answer: Awaitable[Any], context: grpc.aio.ServicerContext) -> Any:
    """``answer``, with exceptions turned into status codes."""
    try:
        return await answer
    except tuple(kind for kind, _ in _CODES) as error:
        code = next(code for kind, code in _CODES if isinstance(error, kind))
        await context.abort(code, str(error))
    except Exception as error:
        _log.exception("a call failed by a fault of this service; please report it")
        await context.abort(grpc.StatusCode.INTERNAL, type(error).__name__)


class _Calls:
    """The protocol's calls, under their own names; they run in worker threads."""

    def __init__(self, models: Mapping[str, Engine]) -> None:
        self._models = dict(models)

    def ServerLive(self, request: oip.ServerLiveRequest) -> oip.ServerLiveResponse:
        return oip.ServerLiveResponse(live=True)

    def ServerReady(self, request: oip.ServerReadyRequest) -> oip.ServerReadyResponse:
        ready = all(engine.status().digest for engine in self._models.values())
        return oip.ServerReadyResponse(ready=ready)

    def ModelReady(self, request: oip.ModelReadyRequest) -> oip.ModelReadyResponse:
        digest = self._engine(request.name).status().digest
        ready = digest is not None and request.version in ("", digest)
        return oip.ModelReadyResponse(ready=ready)

    def ServerMetadata(self, request: oip.ServerMetadataRequest) -> oip.ServerMetadataResponse:
        return oip.ServerMetadataResponse(name="join-the-dots", version=version("join-the-dots"))

    def ModelMetadata(self, request: oip.ModelMetadataRequest) -> oip.ModelMetadataResponse:
        digest, inputs, outputs = self._engine(request.name).signature()
        _check_version(request.version, digest)
        return oip.ModelMetadataResponse(
            name=request.name,
            versions=[digest],
            platform="onnx_onnxv1",
            inputs=[_described(tensor) for tensor in inputs],
            outputs=[_described(tensor) for tensor in outputs],
        )

    def ModelInfer(self, request: oip.ModelInferRequest) -> oip.ModelInferResponse:
        engine = self._engine(request.model_name)
        _check_version(request.model_version, engine.signature()[0])
        _check_parameters(request)
        wanted = [output.name for output in request.outputs] or None
        result = engine.infer(_inputs(request), wanted)
        _check_version(request.model_version, result.digest)  # it may have been swapped since
        response = oip.ModelInferResponse(
            model_name=request.model_name, model_version=result.digest, id=request.id
        )
        raw = bool(request.raw_input_contents)
        for name, array in result.outputs.items():
            _add_output(response, name, array, raw)
        return response

    def _engine(self, name: str) -> Engine:
        if name not in self._models:
            raise UnknownModel(f"model {name!r} is not served here: {', '.join(self._models)} are")
        return self._models[name]


def _check_version(wanted: str, digest: str) -> None:
    if wanted not in ("", digest):
        raise UnknownModel(f"version {wanted!r} does not serve: {digest} does")


def _check_parameters(request: oip.ModelInferRequest) -> None:
    for part in (request, *request.inputs, *request.outputs):
        for name in _NOT_SERVED:
            if name in part.parameters:
                raise NotImplementedError(f"parameter {name!r} is not served here: leave it out")


def _inputs(request: oip.ModelInferRequest) -> NamedArrays:
    arrays: dict[str, NDArray[Any]] = {}
    raw = request.raw_input_contents
    if raw and (
        len(raw) != len(request.inputs) or any(i.HasField("contents") for i in request.inputs)
    ):
        rule = f"{len(raw)} for {len(request.inputs)} inputs, or contents beside them"
        raise InvalidData("raw_input_contents", rule, "Send every input raw, or none")
    for at, tensor in enumerate(request.inputs):
        if tensor.name in arrays:
            raise InvalidData(f"input {tensor.name!r}", "is there twice", "Send it once")
        described = (tensor.name, tensor.datatype, list(tensor.shape))
        arrays[tensor.name] = (
            from_raw(*described, raw[at]) if raw else from_contents(*described, tensor.contents)
        )
    return arrays


def _add_output(
    response: oip.ModelInferResponse, name: str, array: NDArray[Any], raw: bool
) -> None:
    """Add an output in the form of the inputs: raw, or typed contents."""
    output = response.outputs.add(
        name=name, datatype=DATATYPES[str(array.dtype)], shape=array.shape
    )
    if raw:
        response.raw_output_contents.append(to_raw(array))
        return
    contents = to_contents(array)
    if contents is None:
        raise InvalidData(
            f"output {name!r} of type FP16", "has no typed contents", "Send the inputs raw"
        )
    output.contents.CopyFrom(contents)


def _described(tensor: Tensor) -> oip.ModelMetadataResponse.TensorMetadata:
    shape = [-1 if size is None else size for size in tensor.shape]
    return oip.ModelMetadataResponse.TensorMetadata(
        name=tensor.name, datatype=DATATYPES[tensor.dtype], shape=shape
    )
