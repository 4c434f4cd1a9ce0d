"""``fl-repo init`` and ``fl-repo add``."""

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fl_common.components.description import Component, Kind, Stage
from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import write_whole
from fl_common.functions import FUNCTION_FILE
from fl_server.repository.build import (
    build_limits,
    build_repository,
    build_signers,
    default_keys,
)
from fl_server.repository.commands.options import (
    Command,
    Options,
    configuration,
    nothing_more,
    repository_of,
    say,
)
from fl_server.repository.gates.function import describe_function
from fl_server.repository.store.archive import content_of
from fl_server.repository.store.contents import own_copies, parameters_path
from fl_server.repository.store.repository import ComponentRepository


def _init(options: Options) -> None:
    repository = repository_of(options)
    keys = options.keys or default_keys(options.repository)
    if keys.exists() and any(keys.iterdir()):
        raise InvalidConfiguration(
            f"{keys}", "already has keys", "Give another folder with --keys, or move them away"
        )
    repository.create(build_signers(configuration(options)))
    say(f"{options.repository} is a component repository. Its keys are in {keys}.")
    say("Take the keys of root, targets and production offline: only testing, gates, snapshot and")
    say("timestamp are needed from day to day.")
    root = repository.folder / "metadata" / "1.root.json"
    say(f"Give each site {root}, over a channel that you trust.")


INIT = Command(
    "init",
    "make a repository and its keys",
    "Makes an empty repository, and a key file (mode 600) for every key of every role.",
    "  fl-repo init\n  fl-repo init -r /srv/components --keys /media/stick/keys --conf mine.yaml\n",
    nothing_more,
    _init,
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path", type=Path, metavar="PATH", help="a file, a folder, or a zip or tar archive"
    )
    parser.add_argument("--name", required=True, help="the component's name")
    parser.add_argument(
        "--kind", type=Kind, choices=list(Kind), default=Kind.MODEL, help="model if not given"
    )
    parser.add_argument("--version", help="the next number if not given")
    parser.add_argument("--licence", metavar="SPDX", help="such as Apache-2.0")
    parser.add_argument(
        "--description",
        type=Path,
        metavar="FILE",
        help="JSON with more: task, inputs, outputs, metrics, migration, origin, requires ...",
    )
    parser.add_argument(
        "--from-repository",
        action="store_true",
        help="PATH is another repository, such as a run's: copy the component in its testing",
    )


def _add(options: Options) -> None:
    repository, limits = repository_of(options), build_limits(configuration(options))
    with TemporaryDirectory() as workplace:
        if options.from_repository:
            added = _copy(options, repository)
        else:
            files = content_of(options.path, Path(workplace), limits.component_bytes)
            described = {**_description(options), **_of_kind(options, files)}
            added = repository.add(options.kind, options.name, options.version, files, described)
    say(f"{added} is in {Stage.TESTING}: {added.size} bytes.")
    say(f"digest {added.digest}")
    say(f"Next: fl-repo check {added.name}")


def _of_kind(options: Options, files: dict[str, Path]) -> dict[str, Any]:
    """What the files themselves describe: a function's labels and its recorded events."""
    if options.kind is not Kind.FUNCTION:
        return {}
    if FUNCTION_FILE not in files:
        raise InvalidData(
            f"{options.path}",
            f"has no {FUNCTION_FILE} at its top",
            "Give a folder with one: fl-fn new makes it",
        )
    return describe_function(files[FUNCTION_FILE], configuration(options)["gates"]["classes"])


def _copy(options: Options, repository: ComponentRepository) -> Component:
    """Copy a component from another repository's testing, with content and description."""
    source = build_repository(options.path, default_keys(options.path), configuration(options))
    entry = source.entry(options.kind, options.name, Stage.TESTING)
    if entry is None or entry.retired:
        raise InvalidConfiguration(
            f"{options.path}",
            f"has no {options.kind} {options.name} in testing",
            "See: fl-repo list",
        )
    found = entry.component
    described = {**found.description, **_licence(options)}
    if _becomes_another(options, repository, found, described):
        described["parent"] = found.digest
    with own_copies(source.folder, found) as files:
        added = repository.add(found.kind, found.name, options.version, files, described)
    kept = parameters_path(source.folder, found.digest)
    if kept.is_file():
        write_whole(parameters_path(repository.folder, added.digest), kept.read_bytes())
    return added


def _becomes_another(
    options: Options, repository: ComponentRepository, found: Component, described: dict[str, Any]
) -> bool:
    """Whether the copy of ``found`` gets another version or description, so another identity."""
    current = repository.entry(found.kind, found.name, Stage.TESTING)
    version = options.version
    if version is None and current is not None and current.component == found:
        version = found.version  # it exists, and stays
    version = version or repository.next_version(found.kind, found.name)
    return Component(found.kind, found.name, version, found.files, described) != found


def _description(options: Options) -> dict[str, Any]:
    described: dict[str, Any] = {}
    if options.description:
        try:
            described = dict(json.loads(options.description.read_text("utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InvalidData(
                f"--description={options.description}",
                f"is not a JSON object ({error})",
                "See fl_common/components/component.schema.json",
            ) from error
    described |= _licence(options)
    if "licence" not in described:
        raise InvalidConfiguration(
            "the component", "needs a licence", "Give --licence SPDX, such as Apache-2.0"
        )
    return described


def _licence(options: Options) -> dict[str, Any]:
    return {"licence": options.licence} if options.licence else {}


ADD = Command(
    "add",
    "put a component into testing",
    "Signs a component into testing. Earlier ones stay, under their own versions.",
    "  fl-repo add model.onnx --name wearables --licence Apache-2.0\n"
    "  fl-repo add outputs/2026-01-31/12-00-00/repository --from-repository --name wearables\n"
    "  fl-repo add functions/range --kind function --name range --licence Apache-2.0\n"
    "  fl-repo add stacks --kind stack --name federation --licence Apache-2.0\n",
    _add_arguments,
    _add,
)
