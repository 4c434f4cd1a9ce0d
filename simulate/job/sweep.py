"""The members of a sweep: one that fails ends no other, and is told again at the end."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fl_common.errors import JoinTheDotsError
from fl_common.programs.text import visible

INTERRUPTED = 130
"""The exit status after Ctrl-C, which ends the whole sweep."""


@dataclass
class Sweep:
    """Those members that have failed, by folder: the reason, and the exit status."""

    failed: dict[Path, tuple[str, int]] = field(default_factory=dict)

    @contextmanager
    def member(self, folder: Path) -> Iterator[None]:
        """A member in ``folder``, which has said by itself why it exits."""
        try:
            yield
        except SystemExit as ended:
            if ended.code == INTERRUPTED:
                raise
            self.failed[folder] = str(ended.__context__), int(ended.code or 0)
        except Exception as error:
            traceback.print_exc()
            self.failed[folder] = repr(error), JoinTheDotsError.exit_status

    def close(self) -> int:
        """Tell of those that have failed; the exit status of the first, or 0."""
        lines = [f"  {folder}: {reason}" for folder, (reason, _) in self.failed.items()]
        if lines:
            told = [f"{len(lines)} of the sweep's runs failed:", *lines]
            sys.stderr.write("".join(f"{visible(line)}\n" for line in told))
        return next((status for _, status in self.failed.values()), 0)
