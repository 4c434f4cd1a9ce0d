"""Common parts of the commands of ``fl-repo``: their declaration and usual arguments."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fl_common.components.description import Kind, Stage
from fl_common.errors import InvalidConfiguration
from fl_common.programs.command_line import add_command
from fl_common.programs.text import visible
from fl_server.repository.build import build_repository, default_keys, load_configuration
from fl_server.repository.store.repository import ComponentRepository

Options = argparse.Namespace


@dataclass(frozen=True)
class Command:
    """One command: a summary line, more in ``about``, examples, arguments, and its action.

    ``arguments`` adds its own arguments to a parser; those of ``add_usual`` are always added.
    """

    name: str
    help: str
    about: str
    examples: str
    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[Options], None]

    def add_to(self, commands: Any) -> None:
        """Add the command to the sub-commands of a parser (``argparse``'s own, unnamed type)."""
        examples = f"examples:\n{self.examples}"
        parser = add_command(commands, self.name, self.run, self.help, self.about, examples)
        self.arguments(parser)
        add_usual(parser)


@dataclass(frozen=True)
class Group:
    """Commands under a common first word, such as ``catalogue``."""

    name: str
    help: str
    examples: str
    commands: tuple[Command, ...]

    def add_to(self, commands: Any) -> None:
        """Add them to the sub-commands of a parser (``argparse``'s own, unnamed type)."""
        parser = commands.add_parser(
            self.name,
            help=self.help,
            description=self.help,
            epilog=f"examples:\n{self.examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        own = parser.add_subparsers(metavar="COMMAND", required=True)
        for command in self.commands:
            command.add_to(own)


def add_usual(parser: argparse.ArgumentParser) -> None:
    """The arguments that every command has."""
    usual = parser.add_argument_group("where")
    usual.add_argument(
        "-r",
        "--repository",
        type=Path,
        default=Path("repository"),
        metavar="FOLDER",
        help="the repository; the folder 'repository' if not given",
    )
    usual.add_argument(
        "--keys", type=Path, metavar="FOLDER", help="the key files; FOLDER.keys if not given"
    )
    usual.add_argument(
        "--conf", type=Path, metavar="FILE", help="values to use instead of conf/repository.yaml"
    )


def add_component(parser: argparse.ArgumentParser) -> None:
    """The arguments that name one component."""
    parser.add_argument("name", metavar="NAME", help="the component's name")
    add_kind(parser)


def add_kind(parser: argparse.ArgumentParser) -> None:
    """``--kind``."""
    parser.add_argument(
        "--kind", type=Kind, choices=list(Kind), help="where two kinds share the name"
    )


def add_stage(parser: argparse.ArgumentParser, default: Stage) -> None:
    """``--stage``."""
    parser.add_argument(
        "--stage",
        type=Stage,
        choices=list(Stage),
        default=default,
        help=f"{default} if not given",
    )


def add_address(parser: argparse.ArgumentParser) -> None:
    """``--url`` and ``--ca-file``."""
    parser.add_argument("--url", metavar="ADDRESS", help="where the repository is served")
    parser.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="the authority of the server's certificate; the system's authorities if not given",
    )


def nothing_more(parser: argparse.ArgumentParser) -> None:
    """For a command without its own arguments."""


def configuration(options: Options) -> dict[str, Any]:
    """The configuration that the command uses."""
    return load_configuration(options.conf)


def repository_of(options: Options) -> ComponentRepository:
    """The repository that the command works on."""
    keys = options.keys or default_keys(options.repository)
    return build_repository(options.repository, keys, configuration(options))


def kind_of(repository: ComponentRepository, options: Options) -> Kind:
    """The kind of the named component: the one given, or the only one with the name.

    Raises:
        InvalidConfiguration: no component has the name, or two kinds have it.
    """
    kinds = [options.kind] if options.kind else list(Kind)
    found = [kind for kind in kinds if repository.entry(kind, options.name, Stage.TESTING)]
    if len(found) == 1:
        return Kind(found[0])
    if not found:
        raise InvalidConfiguration(
            options.name, "was never added to this repository", "See what is there: fl-repo list"
        )
    raise InvalidConfiguration(
        options.name, f"is the name of a {' and of a '.join(found)}", "Say which with --kind"
    )


def output() -> Console:
    """Standard output: lines are wrapped only on a terminal."""
    return Console(highlight=False, markup=False, soft_wrap=True)


def say(text: str) -> None:
    """Print one line of text."""
    output().print(visible(text))


def print_json(value: Any) -> None:
    """Print a value as JSON."""
    output().out(json.dumps(value, indent=1, ensure_ascii=False))
