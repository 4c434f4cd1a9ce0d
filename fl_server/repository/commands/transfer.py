"""``fl-repo push-oci``, ``pull-oci`` and ``import``: components from and to other places."""

import argparse
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from fl_common.components.description import MANIFEST, Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.programs.limited_child import ChildLimits
from fl_server.repository.build import build_limits
from fl_server.repository.commands.options import (
    Command,
    Options,
    add_stage,
    configuration,
    repository_of,
    say,
)
from fl_server.repository.oci import modelpack
from fl_server.repository.oci.registry import Login, Reference, Registry
from fl_server.repository.origin import run_behind
from fl_server.repository.store.contents import own_copies
from fl_server.repository.store.repository import ComponentRepository

_USER, _PASSWORD = "FL_OCI_USER", "FL_OCI_PASSWORD"
_OWN_MACHINE = ("localhost", "127.0.0.1")


def _add_reference(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("reference", metavar="REGISTRY/NAME:TAG", help="the registry, name and tag")
    parser.add_argument(
        "--plain-http", action="store_true", help="without TLS; the default for one on this machine"
    )


def _registry(options: Options) -> tuple[Reference, Registry]:
    reference = Reference.parse(options.reference)
    user, password = os.environ.get(_USER), os.environ.get(_PASSWORD)
    login = Login(user, password) if user and password else None
    plain = options.plain_http or reference.host.partition(":")[0] in _OWN_MACHINE
    timeout_s = build_limits(configuration(options)).timeout_s
    return reference, Registry(reference, login, plain, timeout_s)


def _push_arguments(parser: argparse.ArgumentParser) -> None:
    _add_reference(parser)
    parser.add_argument("--name", help="the component; the last part of NAME if not given")
    add_stage(parser, Stage.PRODUCTION)


def _push(options: Options) -> None:
    repository, (reference, registry) = repository_of(options), _registry(options)
    name = options.name or reference.name.rpartition("/")[2]
    entry = repository.entry(Kind.MODEL, name, options.stage)
    if entry is None or entry.retired:
        raise InvalidConfiguration(
            f"model {name}", f"is not in {options.stage}", "See what is there: fl-repo list"
        )
    component = entry.component
    with own_copies(repository.folder, component) as files:
        digest = modelpack.push(component, files, registry)
    say(f"{component} is in the registry as {reference}.")
    say(f"digest {digest}")


PUSH_OCI = Command(
    "push-oci",
    "push a model to an OCI registry",
    "Pushes a model as a CNCF ModelPack artifact, to Harbor or any other OCI registry.\n"
    f"A login comes from {_USER} and {_PASSWORD} in the environment.",
    "  fl-repo push-oci registry.example.org/models/wearables:3\n"
    "  fl-repo push-oci localhost:5000/wearables:next --stage testing\n",
    _push_arguments,
    _push,
)


def _pull_arguments(parser: argparse.ArgumentParser) -> None:
    _add_reference(parser)
    parser.add_argument("--name", help="the component's name, if not the artifact's own")
    parser.add_argument("--version", help="its version here, if not the artifact's own")
    parser.add_argument("--licence", metavar="SPDX", help="if the artifact names none")
    _add_example(parser)


def _pull(options: Options) -> None:
    repository, (reference, registry) = repository_of(options), _registry(options)
    with TemporaryDirectory() as workplace:
        folder = Path(workplace) / "artifact"
        most_bytes = build_limits(configuration(options)).component_bytes
        artifact = modelpack.pull(registry, folder, most_bytes)
        component = modelpack.component_of(artifact, folder)
        paths = [layer.path for layer in artifact.layers if layer.path != MANIFEST]
        files = {path: folder / path for path in paths}
        if component is not None:
            name, version = options.name or component.name, options.version or component.version
            added = repository.add(Kind.MODEL, name, version, files, dict(component.description))
        else:
            added = _add_foreign(options, repository, reference, artifact, files)
    same = component is not None and component.digest == added.digest
    say(f"{added} is in {Stage.TESTING}{', the same as it was pushed' if same else ''}.")
    say(f"digest {added.digest}")
    say(f"Next: fl-repo check {added.name}")


def _add_foreign(
    options: Options,
    repository: ComponentRepository,
    reference: Reference,
    artifact: modelpack.Artifact,
    files: dict[str, Path],
) -> Component:
    """Add a foreign artifact as a third-party model whose origin is the reference."""
    from fl_server.repository.third_party import as_component  # onnx: only for these

    licences = artifact.descriptor.get("licenses") or []
    licence = options.licence or (licences[0] if licences else None)
    name = options.name or artifact.descriptor.get("name")
    for option, value in (("licence", licence), ("name", name)):
        if not isinstance(value, str):
            raise InvalidConfiguration(
                f"{reference}", f"names no {option}", f"Give it with --{option}"
            )
    models = [path for path in files if path.endswith(".onnx")]
    if len(models) != 1:
        raise InvalidData(f"{reference}", f"has {len(models)} .onnx files", "Pull one with one")
    given = (files[models[0]], options.example, f"{reference}", str(licence))
    limits = ChildLimits(**configuration(options)["gates"]["trial"])
    with as_component(*given, limits) as (own, described):
        others = {path: file for path, file in files.items() if path != models[0]}
        return repository.add(Kind.MODEL, str(name), options.version, {**others, **own}, described)


PULL_OCI = Command(
    "pull-oci",
    "pull a model from an OCI registry into testing",
    "Pulls a CNCF ModelPack artifact and signs it into testing. One that fl-repo pushed comes\n"
    "back as the same component. Gate verdicts are not transferred: it is checked again here.\n"
    f"A login comes from {_USER} and {_PASSWORD} in the environment.",
    "  fl-repo pull-oci registry.example.org/models/wearables:3\n"
    "  fl-repo pull-oci registry.example.org/other/vad:1 --name vad --licence MIT\n",
    _pull_arguments,
    _pull,
)


def _import_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", type=Path, metavar="FILE.onnx", help="the model, in one file")
    parser.add_argument("--name", required=True, help="the component's name")
    parser.add_argument("--licence", required=True, metavar="SPDX", help="such as MIT")
    parser.add_argument("--origin", required=True, help="its origin: a URL, a paper")
    parser.add_argument("--version", help="the next number if not given")
    _add_example(parser)


def _add_example(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--example",
        type=Path,
        metavar="FILE.npz",
        help="inputs by name, and outputs if known; drawn from a seed if not given",
    )


def _import(options: Options) -> None:
    from fl_server.repository.third_party import as_component  # onnx: only for this command

    if not options.path.is_file() or options.path.suffix != ".onnx":
        raise InvalidData(f"{options.path}", "is no .onnx file", "Give a model in one ONNX file")
    repository = repository_of(options)
    given = (options.path, options.example, options.origin, options.licence)
    limits = ChildLimits(**configuration(options)["gates"]["trial"])
    with as_component(*given, limits) as (files, described):
        added = repository.add(Kind.MODEL, options.name, options.version, files, described)
    say(f"{added} is in {Stage.TESTING}: {added.size} bytes, {options.licence}.")
    say(f"digest {added.digest}")
    if (why := run_behind(repository, added)) is not None:
        say(f"It needs the gates of a run's model, too, privacy and accuracy among them: {why}.")
    say(f"Next: fl-repo check {added.name}")


IMPORT = Command(
    "import",
    "put a third-party ONNX model into testing",
    "Reads the model's inputs and outputs from the file and signs it into testing, with its\n"
    "licence and origin, and an example: fixed inputs and the outputs that ONNX Runtime gives for\n"
    "them. It must pass the gates named 'imported' in conf/repository.yaml.",
    "  fl-repo import detector.onnx --name detector --licence MIT --origin https://example.org/it\n"
    "  fl-repo import silero_vad.onnx --name silero-vad --licence MIT --example speech.npz \\\n"
    "      --origin https://github.com/snakers4/silero-vad\n",
    _import_arguments,
    _import,
)
