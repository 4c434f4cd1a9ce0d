"""The subcommands on a person's own data, by their word on the command line."""

from collections.abc import Callable, Mapping, Sequence

from simulate.data.check import check
from simulate.data.windows.command import windows

COMMANDS: Mapping[str, Callable[[Sequence[str]], int]] = {"check": check, "windows": windows}
"""Each takes its arguments, and gives the exit status."""
