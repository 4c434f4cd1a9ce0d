"""``join-the-dots-serve``: a function, mounted or copied in, answers CloudEvents and ends well."""

import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.boxes import resident_mb, takes_as_stated
from tests.support.docker import Engine
from tests.support.hand_made import component
from tests.support.nodes import wait_for
from tests.support.ports import free_port
from tests.support.sandboxes import fields_of
from tests.support.shell import blocks, desk, replaced, typed
from tests.support.sources import ROOT

pytestmark = pytest.mark.timeout(1800)  # the first one waits for the images
HARDENED = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true")
_DOCS = (ROOT / "docs" / "how-to" / "containers.md").read_text("utf-8")
_BEGINS = {"specversion": "1.0", "id": "1", "source": "/test", "type": "a.window"}


def posted(port: int, event: object) -> tuple[int, bytes]:
    """The status and the body of what answers an event of the contract."""
    body = json.dumps({**_BEGINS, "datacontenttype": "application/json", "data": event})
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/", body.encode(), {"content-type": "application/cloudevents+json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=60) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def serving(engine: Engine, port: int, image: str, *options: str) -> Iterator[str]:
    """A container of ``image`` that answers."""
    run = ("docker", "run", "--detach", "--network", "host", *HARDENED, "--env", f"PORT={port}")
    identity = engine.out(*run, *options, image)
    try:
        wait_for(lambda: is_healthy(port) or _ended(engine, identity), "an answer")
        yield identity
    finally:
        engine.run("docker", "rm", "--force", "--volumes", identity, check=False)


def _ended(engine: Engine, identity: str) -> bool:
    """False while it runs; fails with its last words where it has ended."""
    if state(engine, identity, "Running") == "true":
        return False
    log = engine.run("docker", "logs", identity)
    raise AssertionError(log.stdout + log.stderr)


def state(engine: Engine, identity: str, what: str) -> str:
    return engine.out("docker", "inspect", "-f", f"{{{{.State.{what}}}}}", identity)


def test_a_component_that_is_mounted_is_served_until_sigterm(
    engine: Engine, tmp_path: Path
) -> None:
    folder, port = tmp_path / "nothing", free_port()
    folder.mkdir()
    (folder / "function.wasm").write_bytes(component(""))
    about = fields_of(form="wasm", file="function.wasm", needs=["emit"], on=[{"tick": "*"}])
    (folder / "function.json").write_text(json.dumps(about))
    given = ("--tmpfs", "/cache", "--volume", f"{folder}:/function:ro")
    with serving(engine, port, "join-the-dots-serve", *given) as identity:
        assert posted(port, {"tick": {"time_ns": 60}}) == (204, b"")
        assert posted(port, {"tock": {}})[0] == 400
        wait_for(lambda: state(engine, identity, "Health.Status") == "healthy", "its own check")
        engine.out("docker", "stop", "--time", "60", identity)
        assert state(engine, identity, "ExitCode") == "0"


def test_without_a_function_it_says_what_to_do(engine: Engine) -> None:
    run = ("docker", "run", "--rm", "--network", "none", *HARDENED, "join-the-dots-serve")
    done = engine.run(*run, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: /function/function.json: can't be read")


def test_an_image_of_a_function_compiles_nothing_when_it_starts(
    engine: Engine, tmp_path: Path
) -> None:
    reader, port = desk(tmp_path / "reader"), free_port()
    (file,) = blocks("docs/how-to/containers.md#serve-a-function", "dockerfile")
    (commands,) = blocks("docs/how-to/containers.md#serve-a-function")
    (reader / "fall-alarm.dockerfile").write_text(file)
    network = f"--network host --env PORT={port}"
    commands = replaced(
        commands,
        ("--publish 127.0.0.1:8080:8080", network),
        ("127.0.0.1:8080", f"127.0.0.1:{port}"),
    )
    engines = engine.environment()
    (reader / "bin").mkdir(exist_ok=True)
    (reader / "bin/docker").symlink_to(shutil.which("docker", path=engines["PATH"]) or "")
    reached = {name: engines[name] for name in ("DOCKER_HOST", "DOCKER_BUILDKIT")}
    told = typed(commands, reader, 600, **reached)
    assert "8 of 8 as expected" in told
    (identity,) = engine.out("docker", "ps", "--quiet", "--filter", "ancestor=fall-alarm").split()
    assert is_healthy(port)
    log = engine.run("docker", "logs", identity)
    assert "compiled" not in log.stdout + log.stderr
    cases = (reader / "fall-alarm" / "cases.jsonl").read_text().splitlines()
    for line in map(json.loads, cases):
        assert posted(port, line["given"])[0] == (200 if line["expect"] else 204)
    stated = re.search(r"seconds, with\s+(\d+) MB", _DOCS)
    assert stated is not None
    found = resident_mb(engine, identity)
    assert takes_as_stated(found, float(stated[1])), found
