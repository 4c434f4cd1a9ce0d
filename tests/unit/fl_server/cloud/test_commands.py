"""The operator's commands where something is missing or in the way."""

import json
from pathlib import Path
from typing import Any

import pytest

from fl_common.errors import InvalidConfiguration, RunFailed
from fl_server.cloud import commands
from fl_server.cloud.build import home_of, read_config
from fl_server.cloud.credentials import make_own
from fl_server.cloud.sites import Sites
from fl_server.cloud.upkeep import newest_round
from tests.support.ports import free_port

DAYS = 30.0


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    """That of a server which was started, and does not run."""
    overrides = [f"home={tmp_path / 'server'}", f"superlink_port={free_port()}", "hosts=['::1']"]
    config = dict(read_config(None, overrides))
    make_own(home_of(config), ["::1"], DAYS)
    return config


@pytest.mark.parametrize("folder", [None, "stick", "stick/new"])
def test_a_refused_enrolment_leaves_nothing(
    config: dict[str, Any], tmp_path: Path, folder: str | None
) -> None:
    (tmp_path / "stick").mkdir()
    to = None if folder is None else tmp_path / folder
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RunFailed):
        commands.enroll(config, "kitchen", "site", to)
    made = {path.name for path in tmp_path.rglob("*") if path not in before}
    assert made == {".enrolling", "kitchen.json", "sites"} | ({"handout"} if to is None else set())
    assert Sites(home_of(config).sites).enrolled() == {}, "undone when the SuperLink answers"


def test_an_enrolment_for_a_host_that_no_certificate_has_is_refused(
    config: dict[str, Any],
) -> None:
    with pytest.raises(InvalidConfiguration, match=r"hosts=localhost: is not in .* for ::1"):
        commands.enroll({**config, "hosts": ["localhost"]}, "kitchen", "site", None)
    certificate = home_of(config).public.certificate.read_bytes()
    with pytest.raises(RunFailed):
        commands.enroll(config, "kitchen", "site", None)
    assert home_of(config).public.certificate.read_bytes() == certificate


@pytest.mark.parametrize("content", [b"", b"{"])
def test_a_status_without_a_round_that_can_be_read_has_none(
    config: dict[str, Any], content: bytes
) -> None:
    home = home_of(config)
    record = home.runs / "first" / "round.json"
    record.parent.mkdir(parents=True)
    record.write_bytes(content)
    assert newest_round(home, "first") is None
    home.write_status({"running": False, "run": "first"})
    assert commands.status(config)["round"] is None
    record.write_text(json.dumps({"round": 3}))
    assert commands.status(config)["round"] == {"round": 3}
