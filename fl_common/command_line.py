"""Arguments of our console scripts: one line for a wrong one, and overrides in any place."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from fl_common.errors import InvalidConfiguration


class Parser(argparse.ArgumentParser):
    """Ends with one line for a wrong argument, as for every other bad input."""

    def error(self, message: str) -> NoReturn:
        """Say it and end."""
        end(f"error: {message}. See: {self.prog} --help", InvalidConfiguration.exit_status)

    def parsed(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """The options; overrides (key=value) may stand after an option, which argparse forbids."""
        options, rest = self.parse_known_args(arguments)
        overrides = [word for word in rest if "=" in word and not word.startswith("-")]
        if "overrides" not in options or len(overrides) < len(rest):
            self.parse_args(arguments)  # ends with argparse's own message where anything is left
        else:
            options.overrides += overrides
        return options


def end(message: str, status: int) -> NoReturn:
    """Say ``message`` on standard error and end with ``status``."""
    sys.stderr.write(f"{message}\n")
    sys.exit(status)
