"""Boxes that enroll themselves at a real server, and strangers who try it."""

import http.client
import json
import ssl
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fl_client.node.telling import HealthTelling
from fl_server.cloud import proxy
from tests.deployed.fleet import Cloud, TestSite, until
from tests.support.sources import ROOT

NAMED = ("server", "ca_file", "key_file")


@pytest.fixture(scope="module")
def cloud(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    changes = {
        "rounds": 100_000,
        "sites": 2,
        "privacy": {"sampling_rate": 0.25, "noise_multiplier": 2000.0, "epsilon": 100.0},
    }
    cloud = Cloud(tmp_path_factory.mktemp("desk"), changes)
    try:
        cloud.start()
        yield cloud
    finally:
        if cloud.process.popen is not None:
            cloud.process.kill()


def box(*arguments: str, token: str = "") -> subprocess.CompletedProcess[str]:
    """A command of ``fl-client``, with a token for its input."""
    return subprocess.run(
        [sys.executable, "-m", "fl_client", *arguments],
        cwd=ROOT, input=token, capture_output=True, text=True, timeout=400,
    )  # fmt: skip


def enrolled(cloud: Cloud, token: str, name: str) -> TestSite:
    """A site whose key was made by its own command, ready to start."""
    site = TestSite(cloud, name)
    ended = box("enroll", "--token", "-", "--name", name, "--to", str(site.folder), token=token)
    assert ended.returncode == 0, ended.stderr
    lines = dict(line.split("=", 1) for line in ended.stdout.splitlines())
    assert lines["name"] == name
    assert (
        Path(lines["components.root"]).read_text()
        == (cloud.home / "components" / "metadata" / "1.root.json").read_text()
    )
    site.settings = {
        key.removeprefix("federation."): value
        for key, value in lines.items()
        if key.startswith("federation.")
    }
    site.configure()
    return site


def check_status(cloud: Cloud, sites: Sequence[TestSite], began: float) -> None:
    """The server shows when it saw the site, what it spent by both keys, and what it tells.

    It was away while it got another key, if only for rounds that are not in its ledger.
    """
    site = sites[0]
    over = iter([False, True])
    told = HealthTelling(
        site.name, {**site.settings, "tell_health": True}, lambda: False, lambda _: next(over)
    )
    told.run()
    shown = json.loads(cloud.command("status", "--json").stdout)["sites"]
    mine, other = shown[site.name], shown["ward-2"]
    assert mine["told"]["healthy"] is False
    assert other["told"] is None
    assert mine["status"] == "online"
    assert began < mine["last_seen"] <= time.time() + 1
    away = sites[1].rounds_charged().keys() - site.rounds_charged().keys()
    assert mine["spent"]["rounds"] >= other["spent"]["rounds"] - len(away) - 1 > 1
    assert 0 < mine["spent"]["epsilon"] < mine["spent"]["limit"] == 100.0
    assert f"{site.name}" in cloud.command("status").stdout


def check_rotation(cloud: Cloud, site: TestSite) -> None:
    """While rounds go on, the site gets another key: its name, ledger and account stay."""
    node = ["name=" + site.name, *(f"federation.{key}={site.settings[key]}" for key in NAMED)]
    before = (site.folder / "site.key").read_bytes()
    stolen = site.folder / "stolen.key"
    stolen.write_bytes(before)
    stolen.chmod(0o600)
    epsilon = cloud.newest()["epsilon"]
    ended = box("key", "--rotate", *node)
    assert ended.returncode == 0, ended.stderr
    assert f"{site.name} has a new key: SHA256:" in ended.stdout
    assert (site.folder / "site.key").read_bytes() != before
    assert not (site.folder / "site.key.new").exists()
    cloud.await_rounds(1)
    row = cloud.await_round_with(
        lambda row: row["answered"] == ["ward-1", "ward-2"], "a round with its new key"
    )
    assert row["epsilon"] > epsilon
    assert max(site.rounds_charged().values()) == 1, "no round is charged twice"
    (successors,) = json.loads((cloud.home / "successors.json").read_text()).items()
    heads = json.loads((cloud.home / "ledgers.json").read_text())
    assert {successors[0], str(successors[1])} <= heads.keys()
    old = [word.replace("site.key", "stolen.key") for word in node]
    assert box("key", "--rotate", *old).returncode == 2, "the old key is nobody's any more"


def test_two_boxes_enroll_themselves_and_train(cloud: Cloud) -> None:
    made = cloud.command("token", "--uses", "2", "--names", "ward-*", "--class", "ward")
    assert made.returncode == 0, made.stderr
    sites = [enrolled(cloud, made.stdout, name) for name in ("ward-1", "ward-2")]
    began = time.time()
    for site in sites:
        assert oct((site.folder / "site.key").stat().st_mode)[-3:] == "600"
        site.process.start()
    try:
        row = cloud.await_rounds(1)
        assert row["answered"] == ["ward-1", "ward-2"]
        check_rotation(cloud, sites[0])
        check_status(cloud, sites, began)
        third = box("enroll", "--token", "-", "--name", "ward-3", token=made.stdout)
        assert third.returncode == 2
        assert "as often as it may be" in third.stderr
        (listed,) = json.loads(cloud.command("token", "--list").stdout)
        assert (listed["used_by"], listed["over"]) == (["ward-1", "ward-2"], True)
        assert cloud.command("revoke", "ward-2").returncode == 0
        again = sites[1].folder
        back = box(
            "enroll", "--token", "-", "--name", "ward-2", "--to", str(again), token=made.stdout
        )
        assert back.returncode == 2
    finally:
        for site in sites:
            site.process.kill()


def test_a_token_for_another_authority_is_not_given_to_this_server(
    cloud: Cloud, tmp_path: Path
) -> None:
    from fl_common.wire.desk import Token

    made = Token.read(cloud.command("token").stdout)
    forged = str(Token(made.server, "0" * 64, made.number, made.secret))
    ended = box("enroll", "--token", "-", "--to", str(tmp_path), token=forged)
    assert ended.returncode == 2
    assert "has another authority than the token says" in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_flood_at_the_desk_gets_a_429_and_hurts_nobody(cloud: Cloud) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def ask(body: bytes) -> int:
        connection = http.client.HTTPSConnection("127.0.0.1", cloud.port, context=context)
        try:
            connection.request("POST", "/desk/enroll", body)
            return connection.getresponse().status
        finally:
            connection.close()

    began = time.monotonic()
    with ThreadPoolExecutor(16) as strangers:
        statuses = Counter(strangers.map(ask, [b"{}"] * 300))
    passed = proxy._BURST_AT_DESK + 1 + proxy._RATE_AT_DESK * (time.monotonic() - began)
    assert set(statuses) == {400, 429}
    assert statuses[400] <= passed, "no more than may, however long the flood took"
    assert ask(b"x" * 100_000) == 413

    def may_ask() -> Any:
        return ask(b"{}") == 400

    until(may_ask, "the stranger's own address may ask again")
