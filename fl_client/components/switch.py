"""From one version of a model to the next, and back by itself, through a power cut at any step.

Each step is written to the record before it is done in the slot, and ``resume`` does again what the
record says; each can be done twice. So a restart finds the version before, or the new one in its
health window, never half of a change.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from fl_client.answers import Prediction
from fl_client.components.health import Health, Tally
from fl_client.components.record import Record, Trial, Version, read_record, write_record
from fl_client.slots import Slot
from fl_common.errors import InvalidConfiguration, InvalidData

_log = logging.getLogger(__name__)
RECORD = "record.json"


class Switch:
    """The versions of one model in ``slot``; what is remembered is in ``folder``.

    ``file_of`` gives the model file of a component that was fetched, by its digest. Methods may be
    called from any thread. ``resume`` comes first, before an engine reads the slot.
    """

    def __init__(
        self, slot: Slot, folder: Path, health: Health, file_of: Callable[[str], Path | None]
    ) -> None:
        self._slot, self._path, self._health = slot, folder / RECORD, health
        self._file_of = file_of
        self._record = read_record(self._path)
        self._now = Tally()
        self._file: str | None = None
        self._trouble: str | None = None
        self._changing = threading.RLock()

    @property
    def record(self) -> Record:
        """What is remembered, as of now."""
        return self._record

    def resume(self) -> None:
        """Go on after a restart: a version on trial begins its health window anew."""
        with self._changing:
            trial = self._record.trial
            if trial is not None:
                trial = replace(trial, ends=trial.ends + 1)
                self._write(replace(self._record, trial=trial))
                if trial.ends >= self._health.ends:
                    reason = f"the process ended {trial.ends} times within its health window"
                    self._roll_back(trial.version, reason)
            self._judge()
            self._set_slot()

    def take(self, version: Version) -> None:
        """Run ``version`` from now on, on trial; one that was good here before, without.

        Its file has been fetched.
        """
        with self._changing:
            record = self._record
            if record.is_good(version):
                self._write(record.with_good(version))
                _log.info("model %s, which was good before, runs again", version.name)
            else:
                before = record.trial.before if record.trial else self._now
                self._write(replace(record, trial=Trial(version, before)))
                _log.info("model %s runs on trial", version.name)
            self._set_slot()

    def observe(self, prediction: Prediction) -> None:
        """Count what the engine answered, and end the health window when it is time."""
        with self._changing:
            if prediction.digest != self._file:
                self._file, self._now = prediction.digest, Tally()
            self._now = self._now.plus(prediction)
            try:
                self._judge()
            except (InvalidConfiguration, OSError) as error:
                self._complain(error)

    def heal(self) -> None:
        """Judge the version on trial by what the slot says, and set the slot right.

        Raises:
            InvalidConfiguration, OSError: the disk can't be written; what runs goes on.
        """
        with self._changing:
            self._judge()
            self._set_slot()

    def _judge(self) -> None:
        """Keep the version on trial, or roll it back, where that is known by now."""
        trial = self._record.trial
        if trial is None:
            return
        version = trial.version
        if (failure := self._slot.failure(version.file)) is not None:
            self._roll_back(version, failure)
        elif self._file == version.file:
            fault = self._health.fault(trial.before, self._now)
            if fault is not None:
                self._roll_back(version, fault)
            elif self._health.is_over(self._now):
                self._write(self._record.with_good(version))
                _log.info("model %s stood its health window and is kept", version.name)

    def _complain(self, error: Exception) -> None:
        """Once for each kind of trouble: this is tried again with the next windows."""
        if str(error) != self._trouble:
            self._trouble = str(error)
            _log.error("the end of a health window can't be noted and is tried again: %s", error)

    def _roll_back(self, version: Version, reason: str) -> None:
        self._slot.mark_bad(version.file, reason)
        self._write(self._record.with_failed(version, reason))
        back = self._record.wanted
        _log.error(
            "model %s is rolled back to %s (%s) and not tried again until it is promoted again",
            *(version.name, back.name if back else "none", reason),
        )
        self._set_slot()

    def _set_slot(self) -> None:
        """Let the slot ask for the wanted version; nothing where the engine has found it bad."""
        wanted = self._record.wanted
        if wanted is None or self._slot.current() == wanted.file:
            return
        path = self._file_of(wanted.component)
        try:
            if path is not None:
                self._slot.place(path)
            self._slot.activate(wanted.file)
        except InvalidData as error:
            _log.error("model %s can't be activated, what runs goes on: %s", wanted.name, error)

    def _write(self, record: Record) -> None:
        write_record(self._path, record)
        self._record = record
