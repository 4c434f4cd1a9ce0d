"""A configuration that a page shows is one that its program reads."""

import re
from pathlib import Path

import pytest

from fl_client.configuration import read_config as read_node
from fl_common.errors import InvalidConfiguration
from fl_server.cloud.build import read_config as read_server
from tests.support.sources import ROOT

SHOWN = [
    pytest.param(text, id=f"{path.stem}-{number}")
    for path in sorted((ROOT / "docs").rglob("*.md"))
    for number, text in enumerate(
        re.findall(r"^```yaml\n(.*?)^```", path.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    )
    if re.search(r"^(defaults: \[(node|server),|components:|transports:)", text, re.MULTILINE)
]


def check(text: str, folder: Path) -> None:
    file = folder / "shown.yaml"
    file.write_text(text if "defaults:" in text else f"defaults: [node, _self_]\n{text}")
    (read_server if "defaults: [server" in text else read_node)(file, ())


@pytest.mark.parametrize("text", SHOWN)
def test_a_shown_file_is_read(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r"oc\.env:(\w+)", text):
        monkeypatch.setenv(name, "x")
    check(text, tmp_path)


def test_a_key_at_the_wrong_depth_is_found(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="root"):
        check("components:\n  stage: testing\nroot: trusted/1.root.json\n", tmp_path)
