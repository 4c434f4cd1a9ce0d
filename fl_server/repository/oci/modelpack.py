"""A model component as a CNCF ModelPack artifact, and back (github.com/modelpack/model-spec).

Each file is an unmodified layer (``raw``), with its path in an annotation. The component's own
manifest is a layer, too, so that its identity is preserved. A foreign artifact has none, and
becomes a third-party component with name, licence and origin.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_common.components.description import MANIFEST, Component, Kind, check_paths
from fl_common.errors import InvalidConfiguration, InvalidData, UpdateRefused
from fl_server.repository.oci.registry import MANIFEST_TYPE, Registry

ARTIFACT_TYPE = "application/vnd.cncf.model.manifest.v1+json"
CONFIG_TYPE = "application/vnd.cncf.model.config.v1+json"
WEIGHT_TYPE = "application/vnd.cncf.model.weight.v1.raw"
DOCUMENT_TYPE = "application/vnd.cncf.model.doc.v1.raw"
FILE_PATH = "org.cncf.model.filepath"
_PREFIX = "application/vnd.cncf.model."
_WEIGHTS = ".onnx"
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Layer:
    """One file of an artifact."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True)
class Artifact:
    """The contents of an artifact's manifest and configuration."""

    layers: tuple[Layer, ...]
    descriptor: Mapping[str, Any]


def push(component: Component, files: Mapping[str, Path], registry: Registry) -> str:
    """Push a component with its ``files`` (by path); the digest of the artifact's manifest.

    Raises:
        InvalidConfiguration: not a model.
        RepositoryUnreachable, UpdateRefused: as ``Registry`` does.
    """
    if component.kind != Kind.MODEL:
        raise InvalidConfiguration(
            f"{component}", "is no model, and ModelPack is for models", "Push a model"
        )
    contents: dict[str, bytes | Path] = {**files, MANIFEST: component.manifest}
    layers = []
    for path, content in contents.items():
        kind = WEIGHT_TYPE if path.endswith(_WEIGHTS) else DOCUMENT_TYPE
        digest = registry.push_blob(content)
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        layers.append(_descriptor(kind, digest, size, {FILE_PATH: path}))
    config = _json(_config(component, [layer["digest"] for layer in layers]))
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "artifactType": ARTIFACT_TYPE,
        "config": _descriptor(CONFIG_TYPE, registry.push_blob(config), len(config)),
        "layers": layers,
        "annotations": {
            "org.opencontainers.image.title": component.name,
            "org.opencontainers.image.version": component.version,
            "org.opencontainers.image.licenses": component.description["licence"],
        },
    }
    return registry.push_manifest(_json(manifest))


def pull(registry: Registry, into: Path, most_bytes: int) -> Artifact:
    """Put the artifact's files into the folder ``into``, each verified by digest and size.

    Raises:
        UpdateRefused: it is not such an artifact, has a path outside, is altered, or is too long.
        RepositoryUnreachable: as ``Registry`` does.
    """
    try:
        manifest = json.loads(registry.pull_manifest())
        if manifest.get("artifactType") != ARTIFACT_TYPE:
            raise UpdateRefused(
                f"The artifact is of type {str(manifest.get('artifactType'))[:100]!r}, not"
                f" {ARTIFACT_TYPE}."
            )
        layers = tuple(_layer(fields) for fields in manifest["layers"])
        config = _layer(manifest["config"] | {"annotations": {FILE_PATH: "config.json"}})
        if sum(layer.size for layer in (*layers, config)) > most_bytes:
            raise UpdateRefused(f"The artifact has more than {most_bytes} bytes.")
        check_paths([layer.path for layer in layers if layer.path != MANIFEST])
        beside = into.with_name(f"{into.name}.config")
        registry.pull_blob(config.digest, config.size, beside)
        artifact = Artifact(layers, dict(json.loads(beside.read_bytes())["descriptor"]))
    except InvalidData as error:
        raise UpdateRefused(str(error)) from error
    except _MALFORMED as error:
        raise UpdateRefused(f"The artifact is malformed ({type(error).__name__}).") from error
    for layer in layers:
        registry.pull_blob(layer.digest, layer.size, into / layer.path)
    return artifact


def component_of(artifact: Artifact, folder: Path) -> Component | None:
    """The component that was pushed as this artifact, proved by the files in ``folder``.

    None for a foreign artifact.

    Raises:
        UpdateRefused: the component's manifest does not describe these files.
    """
    if not (folder / MANIFEST).is_file():
        return None
    try:
        component = Component.from_manifest((folder / MANIFEST).read_bytes())
    except InvalidData as error:
        raise UpdateRefused(str(error)) from error
    found = {layer.path: layer.digest for layer in artifact.layers if layer.path != MANIFEST}
    if found != {file.path: f"sha256:{file.sha256}" for file in component.files}:
        raise UpdateRefused(f"{component}: the artifact has other files than its manifest says.")
    return component


def _config(component: Component, digests: list[str]) -> dict[str, Any]:
    described = component.description
    descriptor = {
        "name": component.name,
        "version": component.version,
        "licenses": [described["licence"]],
        **({"description": described["about"]} if "about" in described else {}),
    }
    files = {"type": "layers", "diffIds": digests}
    return {"descriptor": descriptor, "config": {"format": "onnx"}, "modelfs": files}


def _layer(fields: Mapping[str, Any]) -> Layer:
    kind, digest, size = fields["mediaType"], fields["digest"], fields["size"]
    path = fields["annotations"][FILE_PATH]
    parts = path.split("/")
    raw = kind.startswith(_PREFIX) and (kind.endswith(".raw") or kind == CONFIG_TYPE)
    inside = all(part not in ("", ".", "..") for part in parts) and "\\" not in path
    if not (raw and inside and type(size) is int and size >= 0 and len(digest) == _DIGEST_LENGTH):
        raise UpdateRefused(f"The layer {path[:80]!r} of type {kind[:80]!r} can't be used.")
    return Layer(path, digest, size)


_DIGEST_LENGTH = len("sha256:") + 2 * hashlib.sha256().digest_size


def _descriptor(
    kind: str, digest: str, size: int, annotations: Mapping[str, str] | None = None
) -> dict[str, Any]:
    named = {"annotations": dict(annotations)} if annotations else {}
    return {"mediaType": kind, "digest": digest, "size": size, **named}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
