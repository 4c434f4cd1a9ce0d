"""A run that diverges says so, fails and publishes nothing."""

from pathlib import Path

import pytest

from fl_common.errors import RunFailed
from simulate import configure, run

QUICK = ("sites=3", "rounds=3", "net=logistic", "engine.workers=1")


@pytest.mark.parametrize(
    ("rate", "says"),
    [("5e4", "the run has diverged: its loss is"), ("1e30", r"its norm .* is above 1e\+06")],
)
@pytest.mark.parametrize("privacy", ["none", "window"])
def test_a_learning_rate_that_is_far_too_high_fails(
    tmp_path: Path, privacy: str, rate: str, says: str
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(RunFailed, match=says) as end:
        run(
            configure(*QUICK, f"privacy={privacy}", f"training.learning_rate={rate}"), folder=folder
        )
    assert "ower training.learning_rate" in str(end.value)
    assert "\n" not in str(end.value)
    assert not (folder / "model.onnx").exists()
    assert not (folder / "summary.json").exists()
