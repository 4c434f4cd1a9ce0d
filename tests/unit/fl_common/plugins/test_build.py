"""What is said of a target that can't be built."""

from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.plugins.build import build


def test_a_module_that_fails_when_it_is_imported_is_said_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "failing_module.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InvalidConfiguration, match="no licence") as caught:
        build({"_target_": "failing_module.Mean"})
    assert "\n" not in str(caught.value)
