"""A person's own configuration file, with the mistakes that people make in one."""

from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from fl_common.plugins.own_file import composed

BASE = b"defaults: [node, _self_]\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (BASE + b"name: box\n silent_s: 3\n", "is not YAML in line 3, column 10"),
        (BASE + b"name: box\n\tsilent_s: 3\n", "is not YAML in line 3, column 1"),
        (BASE + b'name: "box\n', "is not YAML in line 3"),
        (BASE + b"name: a\nname: b\n", "duplicate key name"),
        (BASE + b"name: \x00\n", "is not YAML"),
        (BASE + b"name: \xff\n", "is not in UTF-8"),
        (b"defaults: node\nname: box\n", "must be a list"),
        (b"name: box\n", "Let it begin with defaults: [node, _self_]"),
        (b"", "Let it begin with defaults: [node, _self_]"),
        (b"- name\n- box\n", ""),
        (b"box", ""),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(
    content: bytes, told: str, tmp_path: Path
) -> None:
    file = tmp_path / "box.yaml"
    file.write_bytes(content)
    with pytest.raises(InvalidConfiguration) as refused:
        composed("node", file, [])
    assert told in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_mistake_in_a_shared_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "ward.yaml").write_text("defaults: [node, _self_]\nname: {\n")
    (tmp_path / "box.yaml").write_text("defaults: [ward, _self_]\n")
    with pytest.raises(InvalidConfiguration, match=r"ward\.yaml: is not YAML"):
        composed("node", tmp_path / "box.yaml", [])
