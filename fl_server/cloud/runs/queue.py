"""The runs that a server is to carry out, in order: a record in the folder of each."""

import json
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from fl_common.configuration.rules import Rule, require
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import locked, make_folder, write_whole

_RECORD = "request.json"
_LOCK_S = 10.0
NAME = Rule(
    "must be a name of letters, digits, dots, hyphens and underscores, 64 at most",
    lambda value: bool(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", str(value))),
)
"""Names of runs that join the queue."""


class Wish(StrEnum):
    """What is to become of a run; whether it has ended is told by its model alone."""

    CARRY_OUT = "carry out"
    STOP = "stop"
    REFUSED = "refused"


@dataclass(frozen=True)
class RunRequest:
    """A run that was asked for at ``asked`` (Unix seconds), with values over the server's own.

    ``number`` is its place in the queue; ``why`` says why it was refused.
    """

    name: str
    number: int
    asked: float
    overrides: tuple[str, ...] = ()
    wish: Wish = Wish.CARRY_OUT
    why: str = ""


class RunQueue:
    """The records below the folder ``runs``; commands and the server may write at the same time.

    Raises (all that write):
        InvalidConfiguration: another writer holds the queue for too long.
    """

    def __init__(self, runs: Path, clock: Callable[[], float]) -> None:
        self._runs, self._clock = runs, clock

    def folder(self, name: str) -> Path:
        """The folder of the run ``name``."""
        return self._runs / name

    def is_done(self, name: str) -> bool:
        """Whether the run has published its model."""
        model = self.folder(name) / "model.onnx"
        return model.is_file() and model.stat().st_size > 0

    def get(self, name: str) -> RunRequest | None:
        """The record of a run; None for one that was never asked for, or before there were any."""
        try:
            row = json.loads((self.folder(name) / _RECORD).read_text())
            overrides, wish = tuple(map(str, row["overrides"])), Wish(row["wish"])
            return RunRequest(**{**row, "name": name, "overrides": overrides, "wish": wish})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise InvalidConfiguration(
                str(self.folder(name) / _RECORD),
                f"can't be read ({error})",
                f"Remove it, then give: fl-server runs start {name}",
            ) from error

    def all(self) -> list[RunRequest]:
        """Every run that has a folder, in order; those without a record come first."""
        folders = [path for path in _listed(self._runs) if path.is_dir()]
        rows = [self.get(path.name) or _unasked(path) for path in folders]
        return sorted(rows, key=lambda row: (row.number, row.asked, row.name))

    def next(self) -> RunRequest | None:
        """The first run that is to be carried out and is not done."""
        wanted = (row for row in self.all() if row.wish is Wish.CARRY_OUT)
        return next((row for row in wanted if not self.is_done(row.name)), None)

    def put(self, name: str, overrides: Sequence[str]) -> RunRequest:
        """Put a run at the end of the queue.

        Raises:
            InvalidConfiguration: no name, or a run that is done or in the queue.
        """
        require("run", name, NAME)
        with self._held():
            known = self.get(name)
            if self.is_done(name):
                raise InvalidConfiguration(f"run {name}", "is complete", "Choose another name")
            if known is not None and known.wish is Wish.CARRY_OUT:
                raise InvalidConfiguration(
                    f"run {name}", "is in the queue", "See its state: fl-server runs list"
                )
            last = max((row.number for row in self.all()), default=0)
            return self._write(RunRequest(name, last + 1, self._clock(), tuple(overrides)))

    def adopt(self, name: str) -> RunRequest:
        """The run of the server's own configuration: before all others, unless it was stopped."""
        with self._held():
            known = self.get(name)
            if known is not None and known.wish is not Wish.REFUSED:
                return known
            return self._write(RunRequest(name, 0, self._clock()))

    def stop(self, name: str) -> None:
        """Take a run from the queue; what it has done stays.

        Raises:
            InvalidConfiguration: there is no such run, or it is over.
        """
        with self._held():
            known = self.get(name)
            if known is None or self.is_done(name) or known.wish is not Wish.CARRY_OUT:
                what = "is complete" if self.is_done(name) else "is not in the queue"
                raise InvalidConfiguration(f"run {name}", what, "See: fl-server runs list")
            self._write(replace(known, wish=Wish.STOP))

    def refuse(self, name: str, why: str) -> None:
        """Note that a run can't be carried out as it was asked for."""
        with self._held():
            if (known := self.get(name)) is not None:
                self._write(replace(known, wish=Wish.REFUSED, why=why))

    def _held(self) -> AbstractContextManager[None]:
        make_folder(self._runs)
        return locked(self._runs / ".queue", _LOCK_S)

    def _write(self, row: RunRequest) -> RunRequest:
        values = {key: value for key, value in asdict(row).items() if key != "name"}
        folder = self.folder(row.name)
        make_folder(folder)
        write_whole(folder / _RECORD, json.dumps(values, indent=1).encode())
        return row


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _unasked(folder: Path) -> RunRequest:
    """A run of a server's configuration from before there was a queue."""
    return RunRequest(folder.name, 0, folder.stat().st_mtime, wish=Wish.STOP)
