"""A server whose files a power cut has emptied: it works, or names the file in one line."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployed.fleet import Cloud

TRANSIENT = ("logs", "work", "handout")
NEVER_AGAIN = {"authority.crt", "authority.key"}
"""What no program can make anew: boxes trust this authority alone."""


@pytest.fixture(scope="module")
def stopped(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """A server with two sites that was stopped; its folder and environment are odd."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTPS_PROXY", "http_proxy"):
            patch.setenv(name, "http://127.0.0.1:9")  # discards whatever comes
        patch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
        patch.delenv("NO_PROXY", raising=False)
        patch.delenv("no_proxy", raising=False)
        home = tmp_path_factory.mktemp("cloud") / "a;b {c}'d\" $host kü"
        home.mkdir()
        cloud = Cloud(home, {"run": None})
        cloud.start()
        for name in ("kitchen", "hall"):
            done = cloud.command("enroll", name)
            assert done.returncode == 0, done.stderr
        status = json.loads(cloud.command("status", "--json").stdout)
        assert status["wrong"] == []
        assert set(status["sites"]) == {"kitchen", "hall"}
        assert cloud.process.stop() == 0
        yield cloud


def kept(cloud: Cloud) -> dict[str, bytes]:
    """The files that outlive a server, by their place."""
    return {
        str(path.relative_to(cloud.home)): path.read_bytes()
        for path in sorted(cloud.home.rglob("*"))
        if path.is_file() and path.relative_to(cloud.home).parts[0] not in TRANSIENT
    }


def restore(cloud: Cloud, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (cloud.home / name).write_bytes(content)


def is_needed(name: str) -> bool:
    return Path(name).name in NEVER_AGAIN or name.startswith("components/metadata/")


def test_what_can_t_be_made_anew_is_named_in_one_line(stopped: Cloud) -> None:
    files = kept(stopped)
    needed = [name for name in files if is_needed(name)]
    (timestamp,) = (name for name in needed if name.endswith("timestamp.json"))
    (root,) = (name for name in needed if name.endswith("root.json"))
    bins = next(name for name in needed if "testing-" in name)
    for name in (*(n for n in needed if Path(n).suffix != ".json"), timestamp, root, bins):
        (stopped.home / name).write_bytes(b"")
        shutil.move(stopped.home / "certificates/server.crt", stopped.folder / "away.crt")
        done = stopped.command("start")
        shutil.move(stopped.folder / "away.crt", stopped.home / "certificates/server.crt")
        restore(stopped, files)
        assert done.returncode in (1, 2), name
        assert done.stderr.startswith("error: "), done.stderr
        assert len(done.stderr.splitlines()) == 1
        assert Path(name).name in done.stderr
        assert "from a copy" in done.stderr


def test_a_server_works_with_every_other_file_empty(stopped: Cloud) -> None:
    files = kept(stopped)
    for name in files:
        if not is_needed(name):
            (stopped.home / name).write_bytes(b"")
    (stopped.home / "sites" / "hall.json").write_bytes(files["sites/hall.json"])
    done = stopped.command("revoke", "hall")
    assert (done.returncode, done.stderr.count("\n")) == (0, 1), done.stderr
    assert "when the SuperLink runs" in done.stdout
    stopped.process.start()
    try:
        stopped.await_ready(2)
        repository, sites = sorted(json.loads(stopped.command("status", "--json").stdout)["wrong"])
        assert repository.startswith("repository: can't be renewed: key ")
        assert sites.startswith("sites: records in")
        assert "shut out: kitchen" in sites
        assert stopped.command("revoke", "kitchen").returncode == 0
        assert stopped.command("enroll", "garden").returncode == 0
        assert set(json.loads(stopped.command("status", "--json").stdout)["sites"]) == {"garden"}
    finally:
        stopped.process.kill()
