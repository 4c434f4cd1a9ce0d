"""A model goes to a real OCI registry (Debian's docker-registry) and comes back."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, RepositoryUnreachable, UpdateRefused
from fl_server.repository.__main__ import main
from fl_server.repository.oci import modelpack
from fl_server.repository.oci.registry import MANIFEST_TYPE, Login, Reference, Registry
from tests.support.model_files import doubler, published
from tests.support.ports import free_port
from tests.support.repositories import World
from tests.support.shell import blocks, desk, replaced, typed

CONFIG = """version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: "{folder}"}}}}
http: {{addr: "{address}"}}
"""
MOST_BYTES = 10**7


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("docker-registry")
    if program is None:
        if "CI" in os.environ:
            pytest.fail("docker-registry is missing; .ci/run installs it")
        pytest.skip("needs Debian's docker-registry")
    folder = tmp_path_factory.mktemp("registry")
    address = f"127.0.0.1:{free_port()}"
    config = folder / "config.yml"
    config.write_text(CONFIG.format(folder=folder / "blobs", address=address))
    with subprocess.Popen([program, "serve", str(config)], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://{address}/v2/", process)
            yield address
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=60):
                return
        except OSError:
            time.sleep(0.05)
    pytest.fail("the registry did not start")


def registry_of(text: str, login: Login | None = None) -> Registry:
    return Registry(Reference.parse(text), login, plain=True, timeout_s=30)


def component_in(world: World) -> Component:
    """A model component in production of the world's repository, by the command's own files."""
    world.created()
    file = published(world.folder / "model.onnx", 1)
    return world.add(file.read_bytes(), about="a test")


def model_of(world: World) -> dict[str, Path]:
    return {"model.onnx": world.folder / "model.onnx"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_a_model_comes_back_from_a_registry_as_the_same_component(
    address: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published(place / "model.onnx", 1)
    main(["init"])
    main(["add", "model.onnx", "--name", "vad", "--licence", "MIT"])
    main(["push-oci", f"{address}/models/vad:1", "--stage", "testing"])
    main(["init", "-r", "other"])
    capsys.readouterr()
    main(["pull-oci", f"{address}/models/vad:1", "-r", "other"])
    said = capsys.readouterr().out
    assert "the same as it was pushed" in said
    main(["list", "-r", "other"])
    assert "vad" in capsys.readouterr().out
    digest = re.findall(r"digest (\w{64})", said)[0]
    assert list((place / "other/targets/testing/model").glob(f"{digest}.vad.json"))


@pytest.mark.long
def test_the_commands_of_the_page(address: str, place: Path) -> None:
    """With a registry and files of this test's, and what is pulled in a repository of its own."""
    push, pull, imported = (
        block.replace("registry.example.org", address) for block in blocks("docs/how-to/oci.md")
    )
    published(place / "model.onnx", 1)
    doubler(place / "silero_vad.onnx", TensorProto.FLOAT)
    np.savez(place / "speech.npz", once=np.ones((1, 2), np.float32))
    main(["init"])
    main(["add", "model.onnx", "--name", "wearables", "--licence", "MIT"])
    main(["promote", "wearables", "--force", "a demo"])
    theirs = pull.replace("\n", " -r theirs\n")
    checked = replaced(theirs, ("fl-repo check", "! fl-repo check"))  # nothing is said of privacy
    said = typed(f"{push}fl-repo init -r theirs\n{checked}{imported}", desk(place), COLUMNS="200")
    assert "the same as it was pushed" in said
    assert re.search(r"model silero-vad \w+ \(\w+\) is in production", said), said


def test_the_artifact_is_a_model_pack(address: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    component = component_in(world)
    digest = modelpack.push(component, model_of(world), registry_of(f"{address}/pack:1"))
    headers = {"Accept": MANIFEST_TYPE}
    asked = urllib.request.Request(f"http://{address}/v2/pack/manifests/1", headers=headers)
    with urllib.request.urlopen(asked, timeout=120) as answer:
        content = answer.read()
    manifest = json.loads(content)
    assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert manifest["mediaType"] == "application/vnd.oci.image.manifest.v1+json"
    assert manifest["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.model.config.v1+json"
    weights = manifest["layers"][0]
    assert weights["mediaType"] == "application/vnd.cncf.model.weight.v1.raw"
    assert weights["annotations"] == {"org.cncf.model.filepath": "model.onnx"}
    assert weights["digest"] == f"sha256:{component.files[0].sha256}"
    url = f"http://{address}/v2/pack/blobs/{manifest['config']['digest']}"
    with urllib.request.urlopen(url, timeout=120) as answer:
        config = json.load(answer)
    assert config["descriptor"]["licenses"] == ["Apache-2.0"]
    assert config["config"] == {"format": "onnx"}
    assert config["modelfs"]["diffIds"] == [layer["digest"] for layer in manifest["layers"]]


def test_pushing_again_changes_nothing_and_a_digest_can_be_pulled(
    address: str, tmp_path: Path
) -> None:
    world = World(tmp_path)
    component = component_in(world)
    digests = {
        modelpack.push(component, model_of(world), registry_of(f"{address}/again:{tag}"))
        for tag in ("1", "1", "2")
    }
    (digest,) = digests
    folder = tmp_path / "pulled"
    artifact = modelpack.pull(registry_of(f"{address}/again@{digest}"), folder, MOST_BYTES)
    assert modelpack.component_of(artifact, folder) == component
    assert (folder / "model.onnx").read_bytes() == (tmp_path / "model.onnx").read_bytes()


def foreign(address: str, name: str, content: bytes = b"weights", **changes: Any) -> Registry:
    """A registry with an artifact of someone else's under ``name``: no manifest of ours."""
    registry = registry_of(f"{address}/{name}:1")
    config = json.dumps({"descriptor": {"name": "theirs", **changes.pop("descriptor", {})}})
    layer = {
        "mediaType": modelpack.WEIGHT_TYPE,
        "digest": registry.push_blob(content),
        "size": len(content),
        "annotations": {modelpack.FILE_PATH: changes.pop("path", "model.onnx")},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": modelpack.ARTIFACT_TYPE,
        "config": {
            "mediaType": modelpack.CONFIG_TYPE,
            "digest": registry.push_blob(config.encode()),
            "size": len(config),
        },
        "layers": [{**layer, **changes.pop("layer", {})}],
        **changes,
    }
    registry.push_manifest(json.dumps(manifest).encode())
    return registry


def test_an_artifact_of_someone_else_becomes_a_third_partys_component(
    address: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = doubler(place / "theirs.onnx", TensorProto.FLOAT).read_bytes()
    foreign(address, "theirs/model", content, descriptor={"licenses": ["MIT"]})
    world = World(place)
    world.created()
    main(["pull-oci", f"{address}/theirs/model:1", "--keys", "keys"])
    assert "theirs" in capsys.readouterr().out
    entry = world.repository().entry(Kind.MODEL, "theirs", Stage.TESTING)
    assert entry is not None
    described = entry.component.description
    assert (described["licence"], described["origin"]) == ("MIT", f"{address}/theirs/model:1")
    main(["check", "theirs", "--keys", "keys"])
    assert "has passed every gate" in capsys.readouterr().out


def test_without_a_licence_nothing_is_taken(
    address: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign(address, "unlicensed")
    World(place).created()
    with pytest.raises(SystemExit) as ended:
        main(["pull-oci", f"{address}/unlicensed:1", "--keys", "keys"])
    assert ended.value.code == 2
    assert "--licence" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        {"path": "../outside.onnx"},
        {"path": "/outside.onnx"},
        {"path": "a//b.onnx"},
        {"layer": {"size": 6}},
        {"layer": {"size": 8}},
        {"layer": {"mediaType": "application/vnd.cncf.model.weight.v1.tar"}},
        {"layer": {"annotations": {}}},
        {"artifactType": "application/vnd.oci.image.config.v1+json"},
    ],
)
def test_an_artifact_that_is_not_what_it_says_is_refused(
    address: str, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    registry = foreign(address, "wrong", **wrong)
    with pytest.raises(UpdateRefused):
        modelpack.pull(registry, tmp_path / "pulled", MOST_BYTES)
    assert not list(tmp_path.rglob("*outside*"))
    assert not (tmp_path / "pulled" / "model.onnx").exists()


def test_more_bytes_than_allowed_are_not_downloaded(address: str, tmp_path: Path) -> None:
    registry = foreign(address, "large")
    with pytest.raises(UpdateRefused, match="more than 10 bytes"):
        modelpack.pull(registry, tmp_path / "pulled", 10)


def test_content_that_the_registry_altered_is_refused(
    address: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    registry = registry_of(f"{address}/altered:1")
    digest = registry.push_blob(b"the true content")
    blobs = [p for p in tmp_path_factory.getbasetemp().rglob("data") if digest[7:] in str(p)]
    blobs[0].write_bytes(b"the fake content")
    with pytest.raises(UpdateRefused, match="is not it"):
        registry.pull_blob(digest, 16, tmp_path / "blob")
    assert not (tmp_path / "blob").exists()


def test_what_is_not_there_and_who_is_not_there_are_told_in_one_line(
    address: str, tmp_path: Path
) -> None:
    for reference in (f"{address}/nothing:1", f"127.0.0.1:{free_port()}/nothing:1"):
        with pytest.raises(RepositoryUnreachable) as caught:
            registry_of(reference).pull_manifest()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "vad", "vad:1", "host/vad", "host/VAD:1", "host/../x:1"])
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidConfiguration, match="REGISTRY/NAME:TAG"):
        Reference.parse(text)


def test_a_login_is_never_shown() -> None:
    assert "secret" not in repr(Login("anna", "secret"))
