"""What a box's owner grants to functions in sandboxes, as a file or an override says it."""

from pathlib import Path

import pytest

from fl_client.components.sandbox import Grant, grant_of
from fl_client.configuration import read_config
from fl_common.errors import InvalidConfiguration

GRANTED = "{forms: [python], needs: [emit, log], fuel: 5, memory_mb: 64, functions: 8}"


def test_a_grant_is_read_from_a_file_and_from_an_override_alike(tmp_path: Path) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(f"defaults: [node, _self_]\ncomponents:\n  sandbox: {GRANTED}\n")
    by_file = read_config(file, ["name=box"])
    by_override = read_config(None, ["name=box", f"components.sandbox={GRANTED}"])
    granted = Grant(("python",), ("emit", "log"), 5, 64, 8)
    assert grant_of(by_file["components"]) == grant_of(by_override["components"]) == granted
    assert grant_of(read_config(None, ["name=box"])["components"]) is None


@pytest.mark.parametrize(
    "sandbox", ["nonsense", [1, 2], 1.5, True, {"forms": "python"}, {"forms": [1]}, {"needs": {}}]
)
def test_what_is_no_grant_is_refused_in_one_line(sandbox: object) -> None:
    with pytest.raises(InvalidConfiguration, match=r"components\.sandbox"):
        grant_of({"sandbox": sandbox})
