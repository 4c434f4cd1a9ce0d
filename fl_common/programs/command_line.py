"""Argument parser of our console scripts, its sub-commands, and one-line errors."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.programs.text import visible


class Parser(argparse.ArgumentParser):
    """Exits with a one-line error for a wrong argument, as for any other bad input."""

    def error(self, message: str) -> NoReturn:
        """Print ``message`` and exit."""
        end(f"error: {message}. See: {self.prog} --help", InvalidConfiguration.exit_status)

    def parsed(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides (key=value) may follow an option, which argparse forbids."""
        options, rest = self.parse_known_args(arguments)
        overrides = [word for word in rest if "=" in word and not word.startswith("-")]
        if "overrides" not in options or len(overrides) < len(rest):
            self.parse_args(arguments)  # exits with argparse's own message if anything is left
        else:
            options.overrides += [*overrides, *_home_override(options)]
        return options


def add_command(
    commands: Any,
    name: str,
    run: Callable[..., None],
    words: str,
    about: str,
    epilog: str,
) -> argparse.ArgumentParser:
    """Add a sub-command to those of a parser (``argparse``'s own, unnamed type).

    ``words`` are its line in the list of commands; ``about`` and ``epilog`` are printed as they
    are.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=words,
        description=about,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def _home_override(options: argparse.Namespace) -> list[str]:
    """``--home FOLDER`` of a command with a configuration, as an override of it."""
    if getattr(options, "home", None) is None:
        return []
    from fl_common.configuration.overrides import quoted  # Hydra takes long to import

    return [f"home={quoted(str(options.home))}"]


def add_home(parser: argparse.ArgumentParser) -> None:
    """Add ``--home`` to a command without a configuration."""
    words = "the site's folder; site if not given"
    parser.add_argument("--home", type=Path, default=Path("site"), metavar="FOLDER", help=words)


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name a configuration."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="your own YAML file")
    parser.add_argument("--home", metavar="FOLDER", help="the same as home=FOLDER")
    parser.add_argument(
        "overrides", nargs="*", metavar="key=value", help="a value of the configuration"
    )


@contextmanager
def one_line_errors() -> Iterator[None]:
    """End the program with one line for an error that its user can do something about.

    That nobody reads its output is none of these: see ``output``.
    """
    try:
        yield
    except JoinTheDotsError as error:
        end(f"error: {error}", error.exit_status)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        message = f"error: {place}{error.strerror or error}. Check path, permissions and disk."
        end(message, InvalidConfiguration.exit_status)


def end(message: str, status: int) -> NoReturn:
    """Print ``message`` in one line to standard error and exit with ``status``."""
    sys.stderr.write(f"{visible(message)}\n")
    sys.exit(status)
