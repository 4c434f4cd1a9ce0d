"""Verified export from torch to ONNX: no file is published unless ONNX Runtime agrees with torch.

The published model is one self-contained file: normalisation inside, input ``values``
(N, *window_shape) in sensor units with any N, the outputs of the task's kind (``logits`` and
``probabilities`` (N, K) for labels), and metadata properties that say what it is and how it was
made.

The exporter is torch's TorchScript one. The newer one (``dynamo=True``) gives the same graphs for
the networks here but takes 10 to 40 times as long, and the proof below does not depend on either.
"""

import copy
import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import torch
from torch import nn

from fl_common.errors import ExportMismatch, InvalidConfiguration, InvalidData
from fl_common.files.whole import whole_path
from fl_common.params import digest
from fl_common.vocabulary import Floats, Task
from models.kinds import TaskKind, kind_of
from models.lineage import Lineage, ModelMetadata, properties_of
from models.nets import Net, parameters_of
from models.onnx.content import check_model
from models.onnx.golden import golden_windows, words_of
from models.onnx.runtime import onnxruntime

__all__ = [
    "TOLERANCE",
    "ExportProof",
    "export_onnx",
]

TOLERANCE = 1e-4
"""Largest difference between torch and ONNX Runtime that allows publication."""

_OPSET = 18
_BATCHES = (1, 2, 7)
_CHUNK = 256
_OWN = "models.nets."


@dataclass(frozen=True)
class ExportProof:
    """A published model file and facts about it.

    ``digest`` is the hex sha256 of the file, ``bytes`` its size, and ``parity`` the largest
    difference found between torch and ONNX Runtime (see ``export_onnx``).
    """

    path: Path
    digest: str
    bytes: int
    parity: float


def export_onnx(
    net: Net, task: Task, path: Path, lineage: Lineage, values_N: Floats
) -> ExportProof:
    """Write ``net`` to ``path`` as ONNX, after a check that it computes the same as torch.

    ``values_N`` are real windows (N, *task.window_shape) in sensor units: all are compared, in
    batches of up to 256, and the first also in batches of 1, 2 and 7 (repeated where there are
    fewer). The difference is absolute, in spans of the kind's answers (one for logits and
    probabilities), and relative to the window's largest output where this is above one span,
    because the rounding of float32 grows with it. ``net`` itself is not changed, nor is its mode.

    Raises:
        ExportMismatch: a difference above 1e-4 or not a number; no file is left or replaced.
        InvalidData: no windows, or windows of another shape than the task's.
        InvalidConfiguration: the folder can't be written.
    """
    if len(values_N) == 0 or values_N.shape[1:] != task.window_shape:
        raise InvalidData(
            f"windows of shape {values_N.shape}",
            f"parity is proved on windows of shape {('1 or more', *task.window_shape)}",
            "Give some of the task's own windows",
        )
    metadata = ModelMetadata.of(task, lineage, digest(parameters_of(net)))
    try:
        content, parity = _proved(net, kind_of(task), properties_of(metadata), values_N)
    except ExportMismatch as error:
        raise ExportMismatch(f"{error} {path.name} is not written.") from error
    _write_durably(path, content)
    return ExportProof(path, hashlib.sha256(content).hexdigest(), len(content), parity)


def check_exportable(net: Net, task: Task) -> None:
    """Raise unless a network of this form can be exported: before it is trained for hours.

    Networks under ``models.nets`` are, as tests show, and are not tried: it takes up to a second.

    Raises:
        InvalidConfiguration: what ``export_onnx`` would say in the end.
    """
    if type(net).__module__.startswith(_OWN):
        return
    try:
        _proved(net, kind_of(task), {}, golden_windows(task, _BATCHES[-1], seed=0))
    except ExportMismatch as error:
        raise InvalidConfiguration(
            f"net {type(net).__module__}.{type(net).__qualname__}",
            f"can't be published when it is trained ({str(error).rstrip('.')})",
            "Write it so that models.testing.check_net passes",
        ) from error


def _proved(
    net: Net, kind: TaskKind, properties: Mapping[str, str], values_N: Floats
) -> tuple[bytes, float]:
    """``net`` as the bytes of an ONNX file, and the largest difference from torch.

    Raises:
        ExportMismatch: it can't be exported or run, or the difference is too large.
    """
    evaluated = copy.deepcopy(net).eval()
    try:
        model = _to_onnx(_Published(evaluated, kind), values_N[:1])
        onnx.helper.set_model_props(model, dict(properties))
        onnx.checker.check_model(model, full_check=True)
        content = model.SerializeToString()
        check_model(content)
        parity = _largest_difference(_Published(evaluated, kind), content, values_N)
    except Exception as error:  # of torch, onnx or ONNX Runtime: they have no common base
        raise ExportMismatch(
            f"The network can't be exported to ONNX for any batch ({words_of(error)}). Check it for"
            " operators that ONNX lacks, and for sizes that are fixed to one batch."
        ) from error
    if not parity <= TOLERANCE:
        raise ExportMismatch(
            f"torch and ONNX Runtime differ by {parity:.3g}: at most {TOLERANCE:.0e} is allowed."
            " Check the network for operators that depend on chance or on the batch, and its"
            " parameters for values that are not finite."
        )
    return content, parity


class _Published(nn.Module):
    """A net with all published outputs."""

    def __init__(self, net: nn.Module, kind: TaskKind) -> None:
        super().__init__()
        self.net, self.kind = net, kind

    def names(self, values_N: Floats) -> list[str]:
        """Those of the outputs, in their order."""
        one = torch.from_numpy(values_N[:1])
        return [*self.kind.published(torch.zeros(1, self.kind.outputs), one)]

    def forward(self, values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(self.kind.published(self.net(values), values).values())


def _to_onnx(published: _Published, values_N: Floats) -> onnx.ModelProto:
    names = ["values", *published.names(values_N)]
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecation and tracing warnings: the check decides
        file = Path(folder, "model.onnx")
        torch.onnx.export(
            _exportable(copy.deepcopy(published)),
            (torch.from_numpy(values_N),),
            file,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={name: {0: "N"} for name in names},
            opset_version=_OPSET,
            dynamo=False,
        )
        return onnx.load(file)  # with any weights that the exporter put beside it


def _exportable(module: nn.Module) -> nn.Module:
    """``module`` with each part that has an ``exportable`` form replaced by it, in place."""
    for name, child in module.named_children():
        replacement = getattr(child, "exportable", None)
        setattr(module, name, replacement() if replacement else _exportable(child))
    return module


def _largest_difference(published: _Published, content: bytes, values_N: Floats) -> float:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    chunks = [values_N[start : start + _CHUNK] for start in range(0, len(values_N), _CHUNK)]
    small = [np.resize(values_N, (size, *values_N.shape[1:])) for size in _BATCHES]
    batches = [*small, *chunks]
    return float(np.max([_difference(published, session, batch_N) for batch_N in batches]))


def _difference(
    published: _Published, session: onnxruntime.InferenceSession, values_N: Floats
) -> float:
    """NaN if a value is not finite or a shape differs."""
    values_N = np.ascontiguousarray(values_N, dtype=np.float32)
    with torch.no_grad():
        expected = [tensor.numpy() for tensor in published(torch.from_numpy(values_N))]
    found = session.run(published.names(values_N), {"values": values_N})
    if any(one.shape != other.shape for one, other in zip(found, expected, strict=True)):
        return float("nan")
    pairs = zip(found, expected, strict=True)
    return float(np.max([_apart(one, other, published.kind.span) for one, other in pairs]))


def _apart(found_ND: Floats, expected_ND: Floats, span: float) -> float:
    """The largest difference in spans, relative to the window's largest output beyond one."""
    size_N1 = np.maximum(span, np.abs(expected_ND).max(axis=1, keepdims=True))
    return float(np.max(np.abs((found_ND - expected_ND) / size_N1)))


def _write_durably(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` durably, or nothing."""
    try:
        with whole_path(path) as part:
            part.write_bytes(content)
    except OSError as error:
        raise InvalidConfiguration(
            f"{path}", f"can't be written ({error.strerror})", "Free space or choose another folder"
        ) from error
