"""Who is not let in, and what a site may not do, each told in a line on either side."""

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from flwr.cli.build import build_fab_from_files
from flwr.common.serde import fab_to_proto
from flwr.proto.control_pb2 import RegisterNodeRequest, StartRunRequest
from flwr.proto.fab_pb2 import GetFabRequest
from flwr.proto.fleet_pb2 import RegisterNodeFleetRequest
from flwr.supercore.fab import Fab
from google.protobuf.message import Message

from fl_client.__main__ import main as client_main
from fl_client.clock.machine import THIS_MACHINE
from fl_client.federation.build import build_server_time
from fl_client.federation.connection import Address, AdmissionRefused, Unreachable
from fl_common.errors import InvalidConfiguration
from fl_common.files.keys import make_key
from fl_server.cloud import commands
from fl_server.cloud.build import read_config
from fl_server.cloud.certificates import Pair, make_authority, make_server
from fl_server.cloud.enrolment import Enrolment
from fl_server.cloud.home import CloudHome
from fl_server.cloud.sites import Sites
from fl_server.cloud.superlink import BUNDLE, SuperLink
from tests.deployed.fleet import Cloud, TestSite, until
from tests.deployed.sessions import address, joined, key_of, new_site
from tests.support.ports import free_port


@pytest.fixture(scope="module")
def cloud(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("security"), {"run": None})
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.process.stop()


def test_an_unknown_key_is_refused_on_both_sides(cloud: Cloud, tmp_path: Path) -> None:
    make_key(tmp_path / "stranger.key")
    with (
        pytest.raises(AdmissionRefused, match="unknown"),
        joined(address(cloud, tmp_path / "stranger.key")),
    ):
        pass
    until(lambda: "refused 127.0.0.1" in cloud.log("proxy"), "the proxy's line")


def test_a_revoked_key_is_shut_out_at_once_and_a_new_one_let_in(
    cloud: Cloud, tmp_path: Path
) -> None:
    site = new_site(cloud, "revoked")
    before = key_of(site).read_bytes()
    with joined(address(cloud, key_of(site))) as connection:
        assert connection.pull() is None
        assert cloud.command("revoke", "revoked").returncode == 0
        with pytest.raises(AdmissionRefused, match="unknown there or was revoked"):
            connection.pull()
    assert '/pull-messages HTTP/1.1" 401: unknown or revoked key' in cloud.log("proxy")
    old = tmp_path / "old.key"
    old.write_bytes(before)
    with pytest.raises(AdmissionRefused), joined(address(cloud, old)):
        pass
    site.enroll()
    with joined(address(cloud, key_of(site))) as connection:
        assert connection.pull() is None


def test_a_box_that_was_killed_is_let_in_at_once_but_not_a_copy_of_it(
    cloud: Cloud, tmp_path: Path
) -> None:
    site = new_site(cloud, "killed")
    here = address(cloud, key_of(site))
    with joined(here) as killed:
        killed._over.set()  # it sends no more heartbeats, and does not say goodbye
        shutil.copytree(key_of(site).parent, tmp_path / "copy")
        with (
            pytest.raises(AdmissionRefused, match="last session"),
            joined(address(cloud, tmp_path / "copy" / key_of(site).name)),
        ):
            pass
        with joined(here) as again:
            assert again.pull() is None
            assert again.node == killed.node


def test_a_box_that_made_its_own_key_is_let_in_by_the_public_half(
    cloud: Cloud, tmp_path: Path
) -> None:
    private, public = tmp_path / "box" / "kitchen.key", tmp_path / "box" / "kitchen.pub"
    client_main(["key", str(private)])
    done = cloud.command("enroll", "kitchen", "--public", str(public))
    assert done.returncode == 0, done.stderr
    assert "name=kitchen" in done.stdout
    assert [path.name for path in (cloud.home / "handout/kitchen").iterdir()] == ["authority.crt"]
    with joined(address(cloud, private)) as connection:
        assert connection.pull() is None
    again = cloud.command("enroll", "pantry", "--public", str(public))
    assert (again.returncode, "is that of site kitchen" in again.stderr) == (2, True)
    secret = cloud.command("enroll", "pantry", "--public", str(private))
    assert (secret.returncode, "holds a private key" in secret.stderr) == (2, True)


def test_a_key_that_the_registry_does_not_have_is_shut_out_at_the_next_start(
    cloud: Cloud, tmp_path: Path
) -> None:
    own, home = new_site(cloud, "known"), CloudHome(cloud.home)
    link = SuperLink(cloud.superlink_port, home.authority.certificate, home.secret)
    link.enroll(make_key(tmp_path / "stray.key"))
    with joined(address(cloud, tmp_path / "stray.key")) as connection:
        assert connection.pull() is None
        Enrolment(Sites(home.sites), link, home.folder).reconcile()
        with pytest.raises(AdmissionRefused):
            connection.pull()
    with joined(address(cloud, key_of(own))) as connection:
        assert connection.pull() is None


def test_the_site_s_own_process_says_why_it_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    site = new_site(cloud, "told")
    site.process.start()
    try:
        until(lambda: site.process.said("joined"), "it is let in")
        commands.revoke(read_config(cloud.config, []), "told")
        until(lambda: site.process.said("refused by localhost", "revoked"), "the site's line")
    finally:
        site.process.stop()


def test_a_server_with_a_foreign_certificate_is_not_talked_to(cloud: Cloud, tmp_path: Path) -> None:
    theirs = Pair(tmp_path / "a.crt", tmp_path / "a.key")
    make_authority(theirs, "another authority", 10, time.time)
    site = new_site(cloud, "careful")
    site.configure(ca_file=str(theirs.certificate))
    not_trusted(site)
    until(lambda: "alert unknown ca" in cloud.log("proxy"), "the server's line")


def test_a_server_with_an_expired_certificate_is_not_talked_to(cloud: Cloud) -> None:
    shown = Pair(cloud.home / "certificates" / "server.crt", cloud.home / "keys" / "server.key")
    kept = {path: path.read_bytes() for path in (shown.certificate, shown.key)}
    make_server(shown, cloud_authority(cloud), ["localhost"], -1, time.time)
    try:
        restart_proxy(cloud)
        not_trusted(new_site(cloud, "waiting"))
        until(lambda: "alert certificate expired" in cloud.log("proxy"), "the server's line")
    finally:
        for path, content in kept.items():
            path.write_bytes(content)
        restart_proxy(cloud)


def not_trusted(site: TestSite) -> None:
    """The site says that it does not talk to the server that it found."""
    site.process.start()
    try:
        until(
            lambda: site.process.said("can't be reached", "certificate", "not to be trusted"),
            "the site's line",
        )
        assert not site.process.said("joined")
    finally:
        site.process.stop()


def restart_proxy(cloud: Cloud) -> None:
    """End the proxy; the server starts it again, with the certificate that is there then."""
    before = cloud.pid("proxy")
    os.kill(before, signal.SIGTERM)
    until(lambda: cloud.pid("proxy") not in (None, before), "the proxy is back")
    until(lambda: is_open(cloud.port), "the proxy listens")


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def cloud_authority(cloud: Cloud) -> Pair:
    return Pair(
        cloud.home / "certificates" / "authority.crt", cloud.home / "keys" / "authority.key"
    )


def test_plain_text_is_refused(cloud: Cloud) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"http://127.0.0.1:{cloud.port}/v1/fleet/pull-messages")
    assert refused.value.code == 400
    assert b"plain HTTP request was sent to HTTPS port" in refused.value.read()
    until(lambda: "400: not a request over TLS" in cloud.log("proxy"), "the proxy's line")


def test_a_site_s_credentials_register_no_node_start_no_run_and_get_no_code(cloud: Cloud) -> None:
    site = new_site(cloud, "curious")
    place = address(cloud, key_of(site))
    client = place.client(build_server_time(site.folder, THIS_MACHINE))
    bundle, _ = build_fab_from_files(BUNDLE)
    key = b"any"
    calls: list[tuple[str, Message]] = [
        ("/v1/fleet/register-node", RegisterNodeFleetRequest(public_key=key)),
        ("/v1/fleet/get-fab", GetFabRequest(hash_str="0")),
        ("/v1/control/register-node", RegisterNodeRequest(public_key=key)),
        ("/v1/control/start-run", StartRunRequest(fab=fab_to_proto(Fab("", bundle, {})))),
        ("/v1/runtime/acquire-task", RegisterNodeRequest()),
        ("/v1/fleet/../control/start-run", StartRunRequest()),
        ("/v1/fleet/%2e%2e/control/start-run", StartRunRequest()),
    ]
    for path, message in calls:
        answer = client._client.post(
            f"https://localhost:{cloud.port}{path}", content=message.SerializeToString()
        )
        assert answer.status_code == 404, path
    assert "404: a path that sites have no use for" in cloud.log("proxy")
    assert "StartRun" not in cloud.log("superlink")


def test_the_superlink_itself_listens_on_the_loopback_interface_alone(cloud: Cloud) -> None:
    listed = Path("/proc/net/tcp").read_text().splitlines()[1:]
    port = f"{cloud.superlink_port:04X}"
    bound = {line.split()[1] for line in listed if line.split()[3] == "0A"}
    assert {one for one in bound if one.endswith(f":{port}")} == {f"0100007F:{port}"}


def test_without_the_secret_nobody_takes_up_a_run(cloud: Cloud, tmp_path: Path) -> None:
    from fl_common.errors import RunFailed

    wrong = tmp_path / "secret"
    wrong.write_bytes(b"guessed")
    authority = cloud.home / "certificates" / "authority.crt"
    link = SuperLink(cloud.superlink_port, authority, wrong)
    with pytest.raises(RunFailed), link.run():
        pass


def test_components_are_files_over_tls_and_nothing_beside_them(cloud: Cloud) -> None:
    place = cloud.home / "components" / "metadata"
    place.mkdir(parents=True, exist_ok=True)
    (place / "1.root.json").write_text("{}")
    trusted = ssl.create_default_context(cafile=cloud_authority(cloud).certificate)
    base = f"https://localhost:{cloud.port}/components"
    with urllib.request.urlopen(f"{base}/metadata/1.root.json", context=trusted) as answer:
        assert answer.read() == b"{}"
    for outside in ("/../keys/executor.secret", "/%2e%2e/superlink.sqlite", "/metadata/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(base + outside, context=trusted)
        assert refused.value.code in (400, 403, 404), outside


def test_a_port_that_nobody_listens_on_is_no_server(cloud: Cloud) -> None:
    site = new_site(cloud, "alone")
    nowhere = Address(
        f"localhost:{free_port()}", cloud_authority(cloud).certificate, key_of(site), 10
    )
    with pytest.raises(Unreachable), joined(nowhere):
        pass


def test_enrolling_twice_and_revoking_a_stranger_are_told(cloud: Cloud) -> None:
    new_site(cloud, "twice")
    again: subprocess.CompletedProcess[str] = cloud.command("enroll", "twice")
    assert (again.returncode, "already enrolled" in again.stderr) == (2, True)
    config = read_config(cloud.config, [])
    with pytest.raises(InvalidConfiguration, match=r"is not enrolled\. Enrolled are: .*twice"):
        commands.revoke(config, "nobody")
    for name, kind in (("../x", "site"), ("x", "a class")):
        with pytest.raises(InvalidConfiguration, match="must be letters"):
            commands.enroll(config, name, kind, None)


def test_with_a_certificate_of_one_s_own_the_operator_brings_its_authority(cloud: Cloud) -> None:
    certificate, key = cloud.home / "certificates" / "server.crt", cloud.home / "keys/server.key"
    config = read_config(cloud.config, [f"certificate={certificate}", f"key={key}"])
    lines = commands.enroll(config, "brought", "site", None)
    assert "federation.ca_file=authority.crt" in lines
    assert [path.name for path in (cloud.home / "handout/brought").iterdir()] == ["brought.key"]
    half = read_config(cloud.config, [f"certificate={certificate}"])
    with pytest.raises(InvalidConfiguration, match="two existing files"):
        commands.enroll(half, "half", "site", None)


def test_a_second_server_in_one_folder_is_refused(cloud: Cloud) -> None:
    second = cloud.command("start")
    assert (second.returncode, "is in use: another server" in second.stderr) == (2, True)
