"""A server that lost its folder goes on from a backup, and no round is charged twice."""

import shutil
from pathlib import Path

from tests.deployed.fleet import Cloud, TestSite


def test_a_server_goes_on_from_a_backup(alone: None, tmp_path: Path) -> None:
    cloud = Cloud(tmp_path, {"rounds": 1000, "sites": 1, "privacy": {"epsilon": 1000.0}})
    site, archive = TestSite(cloud, "anna"), str(tmp_path / "cloud.tar.gz")
    try:
        cloud.start()
        site.enroll()
        site.process.start()
        cloud.await_rounds(2)
        saved = cloud.round()  # at least: it goes on meanwhile
        told = cloud.command("backup", archive)
        assert told.returncode == 0, told.stderr
        cloud.await_rounds(2)
        cloud.process.kill()
        cloud.process.log.unlink()
        shutil.rmtree(cloud.home)

        told = cloud.command("restore", archive)
        assert told.returncode == 0, told.stderr
        assert "Let in again, by the keys of the backup: anna\n" in told.stdout
        cloud.start()
        row = cloud.await_round_with(lambda row: row["updates"] == 1, "a round after the restore")
        assert row["round"] >= saved
        cloud.await_rounds(4)
        assert set(site.rounds_charged().values()) == {1}
        assert cloud.command("restore", archive).returncode == 2  # its folder is there
    finally:
        if site.process.popen is not None:
            site.process.kill()
        cloud.process.stop()
