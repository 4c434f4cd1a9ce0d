"""What other tools write by default: imported and judged, or refused in one line with a remedy."""

from pathlib import Path

import onnx
import pytest

from fl_common.errors import InvalidData
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.gates import GateFinding, imported
from fl_server.repository.third_party import as_component
from models.onnx.example import EXAMPLE, Example
from tests.support.foreign_models import classifier, in_bfloat16, listed, pooled, quantised

LIMITS = ChildLimits(60, 2048)


def findings(folder: Path, model: onnx.ModelProto) -> tuple[GateFinding, GateFinding]:
    """What the gates parity and golden find of the model, once it was imported."""
    file = folder / "theirs.onnx"
    onnx.save(model, file)
    with as_component(file, None, "elsewhere", "MIT", LIMITS) as (files, described):
        content = files["model.onnx"].read_bytes()
        example = Example.read(content, files[EXAMPLE])
        assert {one["name"] for one in described["outputs"]} == set(example.outputs)
        judged = content, example, 1e-4, LIMITS
        return imported.parity(*judged), imported.golden(*judged)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (classifier(zipmap=True), "'output_probability' .* sequence_type.*'zipmap': False"),
        (listed(optional=False), "'Y' of the model file: is of the type sequence_type"),
        (listed(optional=True), "'Y' of the model file: is of the type optional_type"),
        (in_bfloat16(), "can't be loaded by ONNX Runtime .*NOT_IMPLEMENTED"),
        (quantised("QOperator"), "com.microsoft.QLinearAdd.*of the formats .* QDQ is"),
    ],
    ids=["zipmap", "sequence", "optional", "bfloat16", "QOperator"],
)
def test_what_no_site_can_take_is_refused_with_a_remedy(
    tmp_path: Path, model: onnx.ModelProto, says: str
) -> None:
    with pytest.raises(InvalidData, match=says):
        findings(tmp_path, model)


def test_the_remedy_for_zipmap_works(tmp_path: Path) -> None:
    assert all(found.passed for found in findings(tmp_path, classifier(zipmap=False)))


def test_a_quantised_model_can_be_judged(tmp_path: Path) -> None:
    """Its operators are older than those of the reference, and integer kernels round otherwise."""
    assert all(found.passed for found in findings(tmp_path, quantised()))


def test_what_the_reference_does_not_have_is_said_with_what_to_do(tmp_path: Path) -> None:
    parity, golden = findings(tmp_path, pooled())
    assert golden.passed
    assert not parity.passed
    assert "can't be computed by the ONNX reference" in parity.detail
    assert "--example" in parity.detail
