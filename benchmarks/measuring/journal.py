"""A journal of finished measurements, so that an interrupted series can be continued."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.measuring.environments import ROOT
from simulate.report.results import write_text

FOLDER = ROOT / ".bench"


class Journal:
    """One series of ``total`` measurements of the code at ``commit``, with a bar on a terminal.

    The file at ``path`` is deleted when the series is complete, and when it is of other code.
    """

    def __init__(self, path: Path, commit: str, total: int, console: Console) -> None:
        self._path, self._commit, self._total, self._console = path, commit, total, console
        self._done: dict[str, Any] = {}
        if path.exists():
            kept = json.loads(path.read_text("utf-8"))
            self._done = kept["done"] if kept["commit"] == commit else {}

    def measure(self, name: str, take: Callable[[], Any]) -> Any:
        """The JSON value that ``take`` returns, or returned before the series was interrupted."""
        if name in self._done:
            self._console.print(f"{name}  (kept)")
        else:
            self._bar.update(self._task, description=name)
            self._done[name] = take()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_text(self._path, json.dumps({"commit": self._commit, "done": self._done}))
        self._bar.advance(self._task)
        return self._done[name]

    @contextmanager
    def series(self) -> Iterator["Journal"]:
        """Show the bar; on leaving without an error the series is complete."""
        columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        shown = self._console.is_terminal
        self._bar = Progress(
            *columns, TextColumn("{task.description}"), console=self._console, disable=not shown
        )
        self._task = self._bar.add_task("", total=self._total)
        with self._bar:
            yield self
        self._path.unlink(missing_ok=True)
