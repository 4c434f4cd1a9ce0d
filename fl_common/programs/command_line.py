"""Argument parser of our console scripts: one-line errors, and overrides anywhere."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from fl_common.errors import InvalidConfiguration
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
            options.overrides += overrides
        return options


def end(message: str, status: int) -> NoReturn:
    """Print ``message`` in one line to standard error and exit with ``status``."""
    sys.stderr.write(f"{visible(message)}\n")
    sys.exit(status)
