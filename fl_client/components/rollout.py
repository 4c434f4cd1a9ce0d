"""Move from one version of a component to the next, and back automatically; safe at a power cut.

Each step is recorded before it is done, and ``resume`` repeats the recorded step; every step is
idempotent. So a restart finds the old version, or the new one in its health window, never
something in between.
"""

import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from fl_client.components.health import Health, HealthCounts
from fl_client.components.record import Trial, Version, VersionRecord, read_record, write_record
from fl_common.errors import InvalidConfiguration, InvalidData

_log = logging.getLogger(__name__)
RECORD = "record.json"


class DeploymentTarget(Protocol):
    """Where a version runs: a model's slot, or a function's name among the functions."""

    def put(self, version: Version, standby: Version | None) -> None:
        """Run ``version``, whose content was fetched, from now on; no effect if it runs already.

        ``standby`` is the last good version beside it, which runs if it is left out.

        Raises:
            InvalidData: it can't run; the running version stays.
        """

    def runs(self, version: Version) -> bool:
        """Whether ``version`` was the last one put."""

    def failure(self, version: Version) -> str | None:
        """Why ``version`` can't run; None if no reason is known."""

    def is_unfit(self, version: Version) -> bool:
        """Whether that is for how its owner has set up this box, and no fault of its own."""

    def retry(self, version: Version) -> None:
        """Forget why ``version`` failed, for it is offered anew."""

    def left_out(self, version: Version) -> str | None:
        """Why ``version`` was left out, and what stood by for it runs; None if not so."""

    def first_failure(self, version: Version) -> str | None:
        """What failed first while ``version`` ran; None if that is not known."""

    def mark_bad(self, version: Version, reason: str) -> None:
        """Never run ``version`` again."""

    def has_one(self) -> bool:
        """Whether any version runs, or has run."""


class Rollout:
    """The versions of the component ``what`` (for the log) in ``target``.

    The record is kept in ``folder``. Methods may be called from any thread. Call ``resume`` first.
    """

    def __init__(self, what: str, target: DeploymentTarget, folder: Path, health: Health) -> None:
        self._what, self._target, self._path, self._health = what, target, folder / RECORD, health
        self._record = read_record(self._path)
        self._now = HealthCounts()
        self._file: str | None = None
        self._trouble: str | None = None
        self._seen = deque[tuple[str, HealthCounts]]()
        self._changing = threading.RLock()
        self._happened: Counter[str] = Counter()

    @property
    def record(self) -> VersionRecord:
        """The current record."""
        return self._record

    @property
    def happened(self) -> Mapping[str, int]:
        """How often a version was taken, kept, returned to or rolled back since the start."""
        return dict(self._happened)

    @property
    def stopped(self) -> str | None:
        """Why a version that was good does not run any more; None if it does, or none is known."""
        wanted = None if self._record.trial else self._record.wanted
        if wanted is None or self._target.runs(wanted):
            return None
        why = self._target.failure(wanted)
        return why and f"{self._what} {wanted.name} was good, and does not run any more: {why}"

    def resume(self) -> None:
        """Resume after a restart: a version on trial begins its health window again."""
        with self._changing:
            self._record = self._record.without_unfit()
            trial = self._record.trial
            if trial is not None:
                trial = replace(trial, ends=trial.ends + 1)
                self._write(replace(self._record, trial=trial))
                if trial.ends >= self._health.ends:
                    reason = f"the process ended {trial.ends} times within its health window"
                    self._roll_back(trial.version, reason)
            self._judge()
            self._put()

    def take(self, version: Version) -> None:
        """Run ``version``, whose content was fetched, from now on.

        It runs on trial unless it was good here before.
        """
        with self._changing:
            record = self._record
            if record.is_good(version):
                self._write(record.with_good(version))
                self._tell("returned", version, "which was good before, runs again")
            else:
                self._target.retry(version)
                before = record.trial.before if record.trial else self._now
                self._write(replace(record, trial=Trial(version, before)))
                self._tell("taken", version, "runs on trial")
            self._put()
            self._judge()  # what can't run here is told now, and not at the next poll

    def observe(self, file: str, seen: HealthCounts) -> None:
        """Add counts of the version with this ``file``; end its health window when it is over.

        It does not wait: while a version is being put, which may take a minute, they are kept for
        the next call.
        """
        self._seen.append((file, seen))
        if not self._changing.acquire(blocking=False):
            return
        try:
            while self._seen:
                self._add(*self._seen.popleft())
        finally:
            self._changing.release()

    def _add(self, file: str, seen: HealthCounts) -> None:
        if file != self._file:
            self._file, self._now = file, HealthCounts()
        self._now += seen
        try:
            self._judge()
        except (InvalidConfiguration, OSError) as error:
            self._complain(error)

    def heal(self) -> None:
        """Judge the version on trial, and make the target run the wanted version.

        Raises:
            InvalidConfiguration, OSError: the disk can't be written; the running version stays.
        """
        with self._changing:
            self._judge()
            self._put()

    def _judge(self) -> None:
        """Keep the version on trial, or roll it back, once that can be decided."""
        trial = self._record.trial
        if trial is None:
            return self._judge_kept()
        version = trial.version
        if (failure := self._target.failure(version)) is not None:
            self._roll_back(version, failure)
        elif self._file == version.file:
            fault = self._health.fault(trial.before, self._now)
            if fault is not None:
                first = self._target.first_failure(version)
                self._roll_back(version, f"{fault}; the first: {first}" if first else fault)
            elif self._health.is_over(self._now):
                self._write(self._record.with_good(version))
                self._tell("kept", version, "passed its health window and is kept")
        return None

    def _judge_kept(self) -> None:
        """Note that a version was left out since its trial, and the one before it runs."""
        newest = next(iter(self._record.good), None)
        if newest is not None and (reason := self._target.left_out(newest)) is not None:
            self._roll_back(newest, reason)

    def _complain(self, error: Exception) -> None:
        """Log each error once; the step is tried again with the next windows."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            _log.error("a health window's result can't be written, it is tried again: %s", error)

    def _roll_back(self, version: Version, reason: str) -> None:
        is_unfit = self._target.is_unfit(version)
        self._target.mark_bad(version, reason)
        self._write(self._record.with_failed(version, reason, is_unfit=is_unfit))
        self._happened["rolled_back"] += 1
        back = self._record.wanted
        _log.error(
            "%s %s is rolled back to %s (%s) and not tried again until it is promoted again%s",
            self._what,
            version.name,
            back.name if back else "none",
            reason,
            ", or this box is started again" if is_unfit else "",
        )
        self._put()

    def _put(self) -> None:
        """Run the wanted version; no effect if its target has marked it bad."""
        wanted = self._record.wanted
        if wanted is None:
            return
        try:
            self._target.put(wanted, self._record.standby)
        except InvalidData as error:
            _log.error(
                "%s %s can't be activated, what runs stays: %s", self._what, wanted.name, error
            )
        if (stopped := self.stopped) is not None and stopped != self._trouble:
            self._trouble = stopped
            _log.error("%s", stopped)

    def _tell(self, happened: str, version: Version, words: str) -> None:
        self._happened[happened] += 1
        _log.info("%s %s %s", self._what, version.name, words)

    def _write(self, record: VersionRecord) -> None:
        write_record(self._path, record)
        self._record = record
