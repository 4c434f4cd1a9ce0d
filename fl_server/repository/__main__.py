"""``python -m fl_server.repository``, or ``fl-repo``: the component repository.

fl-repo init make a repository and its keys fl-repo add model.onnx ... put a component into testing
fl-repo check NAME run the gates and sign their verdicts fl-repo promote NAME put it into production
fl-repo rollback NAME go back fl-repo log NAME its history in plain words fl-repo get NAME --to
FOLDER its verified files, for use
"""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from fl_common.programs.output import reader_may_leave
from fl_common.programs.own import check_not_hidden
from fl_common.programs.requirements import SERVER, check_installed
from fl_common.programs.text import visible


@reader_may_leave()
def main(arguments: Sequence[str] | None = None) -> None:
    """The console script ``fl-repo``; exits with 0, 1 (failed, or not trusted) or 2 (bad input)."""
    try:
        check_not_hidden("fl-repo", "fl_server.repository")
        check_installed("fl-repo", "server", SERVER)
        options = _parser().parse_args(arguments)
        options.run(options)
    except JoinTheDotsError as error:
        _end(f"error: {error}", error.exit_status)
    except BrokenPipeError:
        raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        _end(f"error: {place}{error.strerror or error}. Check path, permissions and disk.")


class _Parser(argparse.ArgumentParser):
    """Ends with one line for a wrong argument, as for every other bad input."""

    def error(self, message: str) -> NoReturn:
        _end(f"error: {message}. See: {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    from fl_server.repository.commands.index import COMMANDS  # known to be importable by now

    parser = _Parser(prog="fl-repo", description="The component repository: testing to production.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add_to(commands)
    return parser


def _end(message: str, status: int = InvalidConfiguration.exit_status) -> NoReturn:
    print(visible(message), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
