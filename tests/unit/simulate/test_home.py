"""The outputs folder of a run: what its record tells, and what it does not."""

import json
from pathlib import Path

import pytest

from fl_common.errors import InvalidConfiguration
from simulate.home import Home


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps({"run": "a", "overrides": [], "settings": {}}), "another version, .* no legs"),
        (json.dumps({"run": "a", "overrides": []}), "begun by another version"),
        ("{", "is not the outputs folder of a run"),
        ("[]", "is not the outputs folder of a run"),
    ],
)
def test_a_record_that_can_not_be_read_is_told_from_one_of_another_version(
    tmp_path: Path, content: str, says: str
) -> None:
    home = Home(tmp_path)
    home.record.write_text(content)
    with pytest.raises(InvalidConfiguration, match=says):
        home.read_record()
