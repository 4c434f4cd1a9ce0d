"""A server that joins a SuperLink which another service keeps."""

import json
from pathlib import Path

from tests.deployed.fleet import Cloud, Process, TestSite


def test_the_superlink_outlives_a_server_that_joins_it(alone: None, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, {"run": None, "superlink": "join"})
    superlink = Process(cloud.words("superlink"), tmp_path / "superlink.log")
    superlink.start()
    try:
        cloud.start()
        TestSite(cloud, "kitchen").enroll()
        assert cloud.process.stop() == 0
        assert superlink.popen is not None
        assert superlink.popen.poll() is None
        cloud.process.start()
        cloud.await_ready(2)
        status = json.loads(cloud.command("status", "--json").stdout)
        known = {"class": "site", "status": "registered", "last_seen": None}
        assert status["sites"] == {"kitchen": {**known, "told": None, "spent": None}}
        assert set(status["children"]) == {"proxy"}
        lines = [json.loads(line) for line in cloud.process.log.read_text().splitlines()]
        assert any(line["message"].startswith("ready: sites reach") for line in lines)
    finally:
        cloud.process.kill()
        superlink.kill()
