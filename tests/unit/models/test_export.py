"""Every network as one ONNX file that computes what torch computes, or no file."""

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from fl_common.errors import ExportMismatch, InvalidConfiguration, InvalidData
from fl_common.params import digest
from fl_common.vocabulary import Floats, Task
from models.export import TOLERANCE, check_exportable, export_onnx
from models.kinds import kind_of
from models.lineage import Lineage, ModelMetadata
from models.metadata import read_metadata
from models.nets import Net, load_parameters, parameters_of
from models.onnx.runtime import onnxruntime
from tests.unit.models.net_examples import (
    EXAMPLES,
    MOTION,
    NAMES,
    VECTOR,
    example,
    readings,
    spec_of,
)

PRIVACY = {
    "unit": "window",
    "epsilon": 7.9,
    "delta": 1e-5,
    "accountant": "rdp",
    "noise": "seeded",
}


def lineage_of(name: str) -> Lineage:
    return Lineage(version="0.1.0", run="run-1", round=5, net=spec_of(name), privacy=PRIVACY)


def trained(name: str, task: Task) -> Net:
    """With parameters away from where they begin, zeros above all."""
    net = example(name, task)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in net.body.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.1)
    return net


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def outputs(path: Path, values_N: Floats) -> dict[str, Floats]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"values": values_N}), strict=True))


@pytest.mark.parametrize(("name", "task"), EXAMPLES, ids=NAMES)
def test_the_file_computes_what_the_net_computes(name: str, task: Task, tmp_path: Path) -> None:
    net, path = trained(name, task), tmp_path / "model.onnx"
    before = digest(parameters_of(net))
    proof = export_onnx(net, task, path, lineage_of(name), readings(task, 9))

    assert names_in(tmp_path) == ["model.onnx"]
    assert net.training
    assert all(module.training for module in net.modules())
    assert digest(parameters_of(net)) == before
    assert proof.path == path
    assert proof.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert proof.bytes == path.stat().st_size
    assert 0 <= proof.parity <= TOLERANCE
    net.eval()
    for count in (1, 4, 13):
        values_N = readings(task, count, seed=count)
        with torch.no_grad():
            values = torch.from_numpy(values_N)
            expected = kind_of(task).published(net(values), values)
        found = outputs(path, values_N)
        assert [*found] == [*expected]
        for output, right in expected.items():
            np.testing.assert_allclose(found[output], right.numpy(), rtol=5e-4, atol=5e-4)


def test_the_file_says_what_it_is(tmp_path: Path) -> None:
    net, path, lineage = trained("gru", MOTION), tmp_path / "model.onnx", lineage_of("gru")
    export_onnx(net, MOTION, path, lineage, readings(MOTION, 3))
    assert read_metadata(path.read_bytes()) == ModelMetadata(
        task="motion",
        labels=("rest", "walk", "run"),
        channels=MOTION.channels,
        units=MOTION.units,
        rate_hz=50.0,
        window_shape=(32, 6),
        version="0.1.0",
        run="run-1",
        round=5,
        net=spec_of("gru"),
        privacy=PRIVACY,
        parameter_digest=digest(parameters_of(net)),
    )
    model = onnx.load(path)
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert properties["task"] == "motion"
    assert json.loads(properties["labels"]) == ["rest", "walk", "run"]
    assert json.loads(properties["privacy"]) == PRIVACY
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert shapes == {"values": ["N", 32, 6], "logits": ["N", 3], "probabilities": ["N", 3]}
    assert [node.op_type for node in model.graph.node].count("GRU") == 1


def test_no_rate_and_no_privacy_are_said_too(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    lineage = Lineage("0.1.0", "run-1", 1, spec_of("mlp"), {"unit": "none"})
    export_onnx(trained("mlp", VECTOR), VECTOR, path, lineage, readings(VECTOR, 1))
    metadata = read_metadata(path.read_bytes())
    assert metadata.rate_hz is None
    assert metadata.privacy == {"unit": "none"}


def test_the_same_net_gives_the_same_file(tmp_path: Path) -> None:
    first, second = (
        export_onnx(
            trained("cnn1d", MOTION),
            MOTION,
            tmp_path / name,
            lineage_of("cnn1d"),
            readings(MOTION, 2),
        )
        for name in ("a.onnx", "b.onnx")
    )
    assert first.digest == second.digest


def test_a_net_in_training_mode_is_published_in_evaluation_mode(tmp_path: Path) -> None:
    dropping = Net(nn.Flatten(), nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)))
    path = tmp_path / "model.onnx"
    export_onnx(dropping, VECTOR, path, lineage_of("mlp"), readings(VECTOR, 40))
    assert dropping.training


def test_large_logits_are_compared_by_their_size(tmp_path: Path) -> None:
    net = trained("mlp", VECTOR)
    load_parameters(net, {name: 300 * array for name, array in parameters_of(net).items()})
    proof = export_onnx(net, VECTOR, tmp_path / "m.onnx", lineage_of("mlp"), readings(VECTOR, 50))
    assert proof.parity <= TOLERANCE


class DrawsEachTime(nn.Module):
    """What torch computes here, no file can compute again."""

    def forward(self, values_NC: torch.Tensor) -> torch.Tensor:
        return values_NC + 0.01 * torch.rand(1)


class LooksAtTheBatch(nn.Module):
    """Right for the batch of one that is traced, and for no other."""

    def forward(self, values_NC: torch.Tensor) -> torch.Tensor:
        return values_NC * len(values_NC.tolist())


@pytest.mark.parametrize(
    ("part", "windows"), [(DrawsEachTime(), 8), (LooksAtTheBatch(), 8), (LooksAtTheBatch(), 1)]
)
def test_a_net_that_differs_is_not_published(part: nn.Module, windows: int, tmp_path: Path) -> None:
    net = Net(nn.Flatten(), nn.Sequential(part, nn.Linear(2, 2)))
    path = tmp_path / "model.onnx"
    with pytest.raises(ExportMismatch, match=r"differ by .* at most 1e-04.*model\.onnx is not"):
        export_onnx(net, VECTOR, path, lineage_of("mlp"), readings(VECTOR, windows))
    assert names_in(tmp_path) == []


def test_a_net_that_is_not_finite_is_not_published_and_the_old_file_stays(tmp_path: Path) -> None:
    net, path = trained("mlp", VECTOR), tmp_path / "model.onnx"
    export_onnx(net, VECTOR, path, lineage_of("mlp"), readings(VECTOR, 2))
    old = path.read_bytes()
    with torch.no_grad():
        next(net.body.parameters()).fill_(float("nan"))
    with pytest.raises(ExportMismatch, match="differ by nan"):
        export_onnx(net, VECTOR, path, lineage_of("mlp"), readings(VECTOR, 2))
    assert path.read_bytes() == old
    assert names_in(tmp_path) == ["model.onnx"]


class FixedBatch(nn.Module):
    """As attention that reshapes to the batch that is traced: right for that one alone."""

    def forward(self, values_NC: torch.Tensor) -> torch.Tensor:
        return values_NC.reshape(int(values_NC.shape[0]), 2)


class Complex(nn.Module):
    """An operator that the exporter does not have."""

    def forward(self, values_NC: torch.Tensor) -> torch.Tensor:
        spectrum: torch.Tensor = torch.fft.fft(values_NC)
        return spectrum.abs()


@pytest.mark.parametrize("part", [FixedBatch(), Complex(), DrawsEachTime()])
def test_what_cannot_be_exported_is_told_in_a_line_before_it_is_trained(
    part: nn.Module, tmp_path: Path
) -> None:
    net = Net(nn.Flatten(), nn.Sequential(part, nn.Linear(2, 2)))
    with pytest.raises(ExportMismatch) as late:
        export_onnx(net, VECTOR, tmp_path / "model.onnx", lineage_of("mlp"), readings(VECTOR, 8))
    assert names_in(tmp_path) == []
    net.__class__ = type("Theirs", (Net,), {"__module__": "theirs.nets"})
    with pytest.raises(InvalidConfiguration, match=r"theirs\.nets\.Theirs: can't be published"):
        check_exportable(net, VECTOR)
    assert "\n" not in str(late.value)


def test_what_can_be_exported_may_be_trained() -> None:
    net = trained("mlp", VECTOR)
    net.__class__ = type("Theirs", (type(net),), {"__module__": "theirs.nets"})
    check_exportable(net, VECTOR)


@pytest.mark.parametrize("values_N", [readings(VECTOR, 0), readings(MOTION, 2)])
def test_parity_needs_windows_of_the_task(values_N: Floats, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=r"windows of shape .*\('1 or more', 2\)"):
        export_onnx(
            trained("mlp", VECTOR), VECTOR, tmp_path / "m.onnx", lineage_of("mlp"), values_N
        )
    assert names_in(tmp_path) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InvalidConfiguration, match="No space left"):
        export_onnx(
            trained("mlp", VECTOR),
            VECTOR,
            tmp_path / "m.onnx",
            lineage_of("mlp"),
            readings(VECTOR, 1),
        )
    assert names_in(tmp_path) == []


def test_no_folder_is_a_clear_message(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "model.onnx"
    with pytest.raises(InvalidConfiguration, match=r"absent.*can't be written"):
        export_onnx(trained("mlp", VECTOR), VECTOR, path, lineage_of("mlp"), readings(VECTOR, 1))


def test_metadata_of_something_else_are_refused(tmp_path: Path) -> None:
    foreign = onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], []))
    onnx.save(foreign, tmp_path / "foreign.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    for name, words in (("foreign.onnx", "with our metadata"), ("text.onnx", "is no ONNX file")):
        with pytest.raises(InvalidData, match=words):
            read_metadata((tmp_path / name).read_bytes())
