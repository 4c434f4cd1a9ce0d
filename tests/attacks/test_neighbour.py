"""Another user of the box or the server: what lies open on disk, in arguments and in memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fl_client.configuration import read_config, shown
from fl_client.store.database import open_store
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import write_whole
from fl_common.programs.confinement import private_folder
from tests.support.mosquitto import Mosquitto
from tests.support.nodes import NodeProcess, World, expected_starts, place_model, wait_for
from tests.support.ports import free_port

OTHERS = 0o077
SECRET = "the-broker-s-secret-word"


def open_to_others(folder: Path) -> dict[str, str]:
    """Files and folders, ``folder`` too, that others may read, write or enter; and their modes."""
    return {
        str(path): f"{path.stat().st_mode & 0o777:o}"
        for path in (folder, *folder.rglob("*"))
        if path.stat().st_mode & OTHERS and not path.is_symlink()
    }


@pytest.fixture
def careless() -> Iterator[None]:
    """A shell that withholds nothing."""
    mask = os.umask(0)
    yield
    os.umask(mask)


def opened(home: Path) -> None:
    """Open all of ``home`` to everybody, as an older version may have left it."""
    for path in (home, *home.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)


@pytest.mark.slow
def test_all_that_a_box_keeps_is_its_owner_s_alone(careless: None, tmp_path: Path) -> None:
    home = tmp_path / "box"
    home.mkdir()
    place_model(home)
    opened(home)
    with Mosquitto(tmp_path / "broker") as broker:
        box = NodeProcess(home, broker.port)
        box.start()
        try:
            box.wait()
            with World(broker.port, "box") as world:
                world.send(0, 40)
                wait_for(lambda: world.starts() >= expected_starts(40), "predictions")
            assert home.stat().st_mode & OTHERS == 0
            assert {"site.sqlite", "site.sqlite-wal", "node.json"} <= {
                p.name for p in home.iterdir()
            }
            assert {name for name in open_to_others(home) if "slots" not in name} == set()
            assert_closed(box.process.pid)
        finally:
            box.stop()


@pytest.mark.slow
def test_all_that_a_server_keeps_is_its_owner_s_alone(careless: None, tmp_path: Path) -> None:
    outside, inside = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "fl_server", "start", f"home={tmp_path / 'cloud'}"),
        *(f"listen=127.0.0.1:{outside}", f"superlink_port={inside}", "sites=1"),
    ]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: "ready: sites reach" in log.read_text(), "a server that is ready")
        assert (tmp_path / "cloud" / "superlink.sqlite").is_file()
        assert open_to_others(tmp_path / "cloud") == {}
        assert_closed(server.pid)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def assert_closed(pid: int) -> None:
    """No process of the family dumps its memory, and the first can't be traced or read."""
    process = psutil.Process(pid)
    for one in (process, *process.children(recursive=True)):
        assert one.rlimit(psutil.RLIMIT_CORE) == (0, 0), one.cmdline()
    assert Path(f"/proc/{pid}/mem").stat().st_uid == 0
    tried = subprocess.run(
        ["setpriv", "--reuid", str(process.uids().real), "--clear-groups", "--inh-caps=-all",
         "--bounding-set=-all", "cat", f"/proc/{pid}/environ"],
        capture_output=True,
        check=False,
    )  # fmt: skip
    assert tried.returncode != 0
    assert b"Permission denied" in tried.stderr


def test_a_store_is_private_from_its_first_byte(careless: None, tmp_path: Path) -> None:
    connection = open_store(tmp_path / "site.sqlite")
    connection.execute("CREATE TABLE reading (value REAL)")
    tmp_path.chmod(0o700)
    assert len([*tmp_path.iterdir()]) == 3
    assert open_to_others(tmp_path) == {}
    connection.close()


def test_a_store_that_was_open_is_closed(tmp_path: Path) -> None:
    open_store(tmp_path / "site.sqlite").close()
    (tmp_path / "site.sqlite").chmod(0o666)
    open_store(tmp_path / "site.sqlite").close()
    assert (tmp_path / "site.sqlite").stat().st_mode & OTHERS == 0


def test_an_open_folder_is_closed_and_the_owner_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tmp_path.chmod(0o755)
    private_folder(tmp_path, "home")
    assert tmp_path.stat().st_mode & OTHERS == 0
    assert caplog.messages == [
        f"{tmp_path} was open to other users (mode 755); now to its owner alone"
    ]


def test_a_folder_that_can_not_be_closed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", lambda *_: None)  # as on a disk without permissions
    with pytest.raises(InvalidConfiguration, match="keeps permissions"):
        private_folder(tmp_path, "home")


def test_a_file_gives_others_no_more_than_the_umask(tmp_path: Path) -> None:
    os.umask(OTHERS)
    write_whole(tmp_path / "file", b"1")
    assert (tmp_path / "file").stat().st_mode & OTHERS == 0


def test_a_shown_configuration_has_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "box.yaml"
    file.write_text(
        f"defaults: [node, _self_]\nbroker: {{username: box, password: {SECRET}}}\nname: box-1\n"
    )
    monkeypatch.setenv("BROKER_PASSWORD", SECRET)
    for config in (
        read_config(file, []),
        read_config(None, ["broker.username=box", "broker.password=${oc.env:BROKER_PASSWORD}"]),
    ):
        assert config["broker"]["password"] == SECRET
        assert SECRET not in shown(config)
        assert "password: '***'" in shown(config)
    assert "password: null" in shown(read_config(None, []))


@pytest.mark.parametrize(
    "override",
    [
        f"broker.password={SECRET}",
        f"broker.password='{SECRET}'",
        f"broker={{host: localhost, password: {SECRET}}}",
        f"+transports.own.token={SECRET}",
    ],
)
def test_a_secret_among_the_arguments_is_refused_and_not_repeated(override: str) -> None:
    with pytest.raises(InvalidConfiguration, match="every user of the machine") as caught:
        read_config(None, [override])
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "override", ["broker.password=null", "transports=http", "name=password", "name=token-box"]
)
def test_what_is_no_secret_may_be_an_argument(override: str) -> None:
    read_config(None, [override])


@pytest.mark.slow
def test_the_training_process_is_given_a_secret_s_variable_and_not_the_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends at once, as its key is none, and the log shows its arguments."""
    monkeypatch.setenv("BROKER_PASSWORD", SECRET)
    password = "broker.password=${oc.env:BROKER_PASSWORD}"
    empty = tmp_path / "empty"
    empty.touch()
    files = (f"federation.ca_file={empty}", f"federation.key_file={empty}")
    overrides = ("federation.server=cloud:8443", *files, "broker.username=box", password)
    box = NodeProcess(tmp_path / "box", free_port(), *overrides)
    box.start()
    try:
        wait_for(lambda: "the training process ended" in box.log(), "the training process's end")
    finally:
        box.stop()
    assert password in box.log()
    assert SECRET not in box.log()
