"""The outputs folder of a run: its layout, and whether a run can be resumed from it."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fl_common.configuration.settings import Settings
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import write_whole

FEDERATED = "federated"
"""The folder of the run that ``fl-simulate baselines`` compares with others."""
_HYDRA = ".hydra"
_LOCK = "run.lock"
_LONGEST_NAME = 200
"""Bytes; file systems take 255."""


@dataclass(frozen=True)
class Origin:
    """What a run was begun with: ``overrides`` of a command line, or a whole ``configuration``."""

    overrides: tuple[str, ...] = ()
    configuration: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Leg:
    """A run that another one has gone on from: its identity, and the rounds of its plan."""

    run: str
    rounds: int


@dataclass(frozen=True)
class RunRecord:
    """A run's identity, what it was begun with, and the settings that decide its result.

    ``legs`` are the shorter runs that it goes on from, oldest first.
    """

    run: str
    origin: Origin
    settings: Settings
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True)
class Home:
    """Paths in one run's outputs folder."""

    folder: Path

    def remove_if_unused(self) -> None:
        """Remove a folder in which nothing but Hydra's copy of the configuration was written."""
        if [path.name for path in self.folder.iterdir()] == [_HYDRA]:
            shutil.rmtree(self.folder)
            with suppress(OSError):
                self.folder.parent.rmdir()  # the day's, if it has nothing else

    @property
    def record(self) -> Path:
        """The run's identity and origin, written before the first round."""
        return self.folder / "run.json"

    @property
    def ledger(self) -> Path:
        """Privacy spent by the simulated sites."""
        return self.folder / "ledger.sqlite"

    @property
    def checkpoints(self) -> Path:
        """The last rounds' states."""
        return self.folder / "checkpoints"

    @property
    def survey(self) -> Path:
        """The states of a survey before the first round."""
        return self.folder / "scale"

    def threshold(self, survey: str) -> Path:
        """The state of the ``survey`` after the last round; a run that goes on has another."""
        return self.folder / "threshold" / survey

    @property
    def rounds(self) -> Path:
        """One line a round."""
        return self.folder / "rounds.jsonl"

    @property
    def rounds_table(self) -> Path:
        """The same as CSV, written at the end."""
        return self.folder / "rounds.csv"

    @property
    def weights(self) -> Path:
        """The global model's parameters (safetensors)."""
        return self.folder / "weights.safetensors"

    @property
    def summary(self) -> Path:
        """The figures of the whole run."""
        return self.folder / "summary.json"

    @property
    def model(self) -> Path:
        """The global model."""
        return self.folder / "model.onnx"

    @property
    def repository(self) -> Path:
        """The component repository with the model in testing; its keys are beside it."""
        return self.folder / "repository"

    @property
    def counts(self) -> Path:
        """Candidate and production on the same sites, for ``fl-repo check --counts``."""
        return self.folder / "counts.json"

    @property
    def report(self) -> Path:
        """The page to show."""
        return self.folder / "report.html"

    def files(self, repository: str | None) -> dict[str, Path]:
        """What a person may want to open, by name; the model went into ``repository``, if given."""
        counts = {"counts": self.counts} if self.counts.is_file() else {}
        return {
            "report": self.report,
            "summary": self.summary,
            "rounds": self.rounds,
            "model": self.model,
            "weights": self.weights,
            "repository": Path(repository).absolute() if repository else self.repository,
            **counts,
        }

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder, made if missing, against any other process.

        Whatever ends this process releases it. A forked worker that outlives it holds nothing,
        which is why this is a lock of the process (fcntl(2)), and not of an open file.

        Raises:
            InvalidConfiguration: another process has it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("a+") as lock:
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                lock.seek(0)
                raise InvalidConfiguration(
                    f"outputs folder {self.folder}",
                    f"is in use by another run (process {lock.read() or 'unknown'})",
                    "Wait for its end, or stop it, and then go on with resume; or choose another"
                    " folder",
                ) from error
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def check_unused(self) -> None:
        """Raise InvalidConfiguration if a run has begun here, finished or not."""
        if self.record.exists():
            raise InvalidConfiguration(
                f"outputs folder {self.folder}",
                "has a run already",
                "Choose another, or go on with resume",
            )

    def begin(self, record: RunRecord) -> None:
        """Keep what a later ``resume`` needs in the held folder; durable when this returns.

        Raises:
            InvalidConfiguration: a run has begun here already.
        """
        self.check_unused()
        self.keep(record)

    def keep(self, record: RunRecord) -> None:
        """Put ``record`` in the place of the one that is there; durable when this returns."""
        kept = {
            "run": record.run,
            **asdict(record.origin),
            "settings": dict(record.settings),
            "legs": [asdict(leg) for leg in record.legs],
        }
        content = json.dumps(kept, indent=1, default=str)
        write_whole(self.record, content.encode())

    def read_record(self) -> RunRecord:
        """The run's identity and origin.

        Raises:
            InvalidConfiguration: not the outputs folder of a run.
        """
        try:
            record: dict[str, Any] = json.loads(self.record.read_text())
            origin = Origin(tuple(record["overrides"]), record.get("configuration"))
            legs = tuple(Leg(**leg) for leg in record["legs"])
            return RunRecord(str(record["run"]), origin, dict(record["settings"]), legs)
        except KeyError as error:
            rule = f"was begun by another version, whose run.json has no {error.args[0]}"
            remedy = "Go on with that version, or begin anew"
            raise InvalidConfiguration(f"resume={self.folder}", rule, remedy) from error
        except (OSError, ValueError, TypeError) as error:
            raise InvalidConfiguration(
                f"resume={self.folder}",
                f"is not the outputs folder of a run (no readable run.json: {error})",
                "Give a folder such as outputs/2026-01-31/12-00-00",
            ) from error

    def has_finished(self, rounds: int) -> bool:
        """True if the run here has left all of its files after so many rounds."""
        try:
            done = json.loads(self.summary.read_text("utf-8"))["rounds"]
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return self.report.exists() and bool(done == rounds)


def one_folder(overrides: str) -> str:
    """The name of a sweep's member: a single folder, whatever its values, and no name too long."""
    name = overrides.replace("/", ":")
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name.encode()[: _LONGEST_NAME - 10].decode(errors='ignore')}-{digest}"
