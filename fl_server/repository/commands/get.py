"""``fl-repo get``: a component's files, verified as a site verifies them, in a new folder."""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from fl_common.components.description import Component, Kind, Stage
from fl_common.components.reader import Reader
from fl_common.errors import InvalidConfiguration, UpdateRefused
from fl_common.files.whole import make_folder, move_whole
from fl_server.repository.build import build_limits
from fl_server.repository.commands.options import (
    Command,
    Options,
    add_address,
    add_component,
    add_stage,
    configuration,
    repository_of,
    say,
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_component(parser)
    add_stage(parser, Stage.PRODUCTION)
    parser.add_argument(
        "--to", type=Path, required=True, metavar="FOLDER", help="a new folder for the files"
    )
    parser.add_argument("--digest", metavar="HEX", help="accept exactly this component")
    add_address(parser)
    parser.add_argument(
        "--root", type=Path, metavar="FILE", help="with --url: the root.json that you trust"
    )


def _get(options: Options) -> None:
    if options.to.exists():
        raise InvalidConfiguration(f"--to={options.to}", "is there already", "Name a new folder")
    source, root = _source(options)
    with TemporaryDirectory(prefix=".fl-repo-", dir=_beside(options.to)) as folder:
        limits = build_limits(configuration(options))
        reader = Reader(Path(folder), source, root, limits, ca_file=options.ca_file)
        reader.refresh()
        component = _offered(reader, options)
        move_whole(reader.fetch(component), options.to)
    say(f"{component} is in {options.to}: {component.size} bytes, as they were signed.")
    say(f"digest {component.digest}")
    for one in component.description.get("requires", []):
        say(f"It needs {one['kind']} {one['name']} with digest {one['digest']}.")


def _source(options: Options) -> tuple[str | Path, bytes]:
    """The repository's location, and the root to trust."""
    if options.url is None:
        repository = repository_of(options)
        repository.signed.root()  # there is one
        return repository.folder, repository.root()
    if options.root is None:
        raise InvalidConfiguration(
            f"--url={options.url}",
            "needs a root to trust",
            "Give --root FILE, the repository's 1.root.json, from a channel that you trust",
        )
    return options.url, options.root.read_bytes()


def _offered(reader: Reader, options: Options) -> Component:
    """The component of this name in the stage, of the given kind or the only one."""
    kinds = [options.kind] if options.kind else list(Kind)
    offered = (reader.current(kind, options.name, options.stage) for kind in kinds)
    found = [component for component in offered if component is not None]
    if len(found) > 1:
        names = " and a ".join(component.kind for component in found)
        raise InvalidConfiguration(options.name, f"is a {names}", "Say which with --kind")
    if not found:
        raise InvalidConfiguration(
            options.name, f"is not in {options.stage}", "See what is there: fl-repo list"
        )
    if options.digest not in (None, found[0].digest):
        raise UpdateRefused(f"{options.stage} has {found[0]}, not {options.digest[:12]}.")
    return found[0]


def _beside(to: Path) -> Path:
    """A temporary folder next to ``to``, so that moving from it is atomic."""
    make_folder(to.parent)
    return to.parent


GET = Command(
    "get",
    "a component's verified files, for use",
    "Reads the repository with a site's own code and puts the files of a component, for example\n"
    "a stack, into a new folder: all of them, as they were signed, or none.",
    "  fl-repo get federation --to deployment\n"
    "  fl-repo get federation --to deployment --url https://components.example.org \\\n"
    "      --root trusted/1.root.json\n",
    _arguments,
    _get,
)
