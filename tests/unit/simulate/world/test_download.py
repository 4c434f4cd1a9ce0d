"""Downloads from a server in this process: whole and checked, or nothing and one message."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fl_common.errors import InvalidData
from simulate.world.download import check_recorded, fetch

CONTENT = bytes(range(256)) * 20_000


@dataclass
class Site:
    """A web server: its files by path, those it cuts short, and what was asked of it."""

    address: str
    files: dict[str, bytes]
    cut: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("NO_PROXY", "*")
    site = Site("", {"/data.zip": CONTENT})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            if self.path not in site.files:
                self.send_error(404)
                return
            body = site.files[self.path]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path in site.cut else body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_arrives_whole_with_its_checksum_recorded(serve: Site, tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.zip"
    fetch(f"{serve.address}/data.zip", path, "Do this", md5=None)
    assert path.read_bytes() == CONTENT
    record = path.with_name("data.zip.sha256")
    assert record.read_text() == f"{hashlib.sha256(CONTENT).hexdigest()}  data.zip\n"
    assert sorted(path.parent.iterdir()) == [path, record]
    check_recorded(path)


def test_a_file_that_changed_since_is_refused(serve: Site, tmp_path: Path) -> None:
    path = tmp_path / "data.zip"
    fetch(f"{serve.address}/data.zip", path, "Do this", md5=None)
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(InvalidData, match=r"recorded in data\.zip\.sha256.*Delete both files"):
        check_recorded(path)


def test_a_file_without_a_record_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(b"put here by hand")
    check_recorded(tmp_path / "data.zip")


def test_a_published_checksum_is_compared(serve: Site, tmp_path: Path) -> None:
    path, url = tmp_path / "data.zip", f"{serve.address}/data.zip"
    fetch(url, path, "Do this", md5=hashlib.md5(CONTENT).hexdigest())
    assert list(tmp_path.iterdir()) == [path]
    path.write_bytes(b"older")
    with pytest.raises(InvalidData, match=r"must have md5 0000.*Do this"):
        fetch(url, path, "Do this", md5="0" * 32)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"older"


def test_a_cut_transfer_leaves_nothing(serve: Site, tmp_path: Path) -> None:
    serve.cut.add("/data.zip")
    rule = f"after {len(CONTENT) // 2} of {len(CONTENT)} bytes"
    with pytest.raises(InvalidData, match=f"{rule}. Do this"):
        fetch(f"{serve.address}/data.zip", tmp_path / "data.zip", "Do this", md5=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("{address}/absent.zip", "404"),
        ("http://127.0.0.1:9/data.zip", "refused"),
        ("http://no-such-host.invalid/data.zip", "."),
        ("no address", "unknown url type"),
    ],
)
def test_what_cant_be_reached_is_said_in_one_message(
    serve: Site, tmp_path: Path, url: str, reason: str
) -> None:
    with pytest.raises(InvalidData, match=rf"can't be downloaded \(.*{reason}.*\)\. Do this\.$"):
        fetch(url.format(address=serve.address), tmp_path / "data.zip", "Do this", md5=None)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_error_is_not_blamed_on_the_network(serve: Site, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(OSError, match="file"):
        fetch(f"{serve.address}/data.zip", tmp_path / "file" / "data.zip", "Do this", md5=None)
