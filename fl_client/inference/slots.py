"""A slot: the versions of one model on a site's disk, and which of them runs.

    versions/<sha256>/model.onnx    one version; its name is the hex sha256 of the file
    versions/<sha256>/bad           present if it failed: the reason
    versions/<sha256>/tried         present if it was loaded and run in a child process once
    versions/<sha256>/loading       present while it is tried and loaded: how often that was begun
    versions/<sha256>/about         of a network without a task: how it is asked
    current                         the digest that should run; written by the downloader
    good, previous                  the last two digests that ran; written by the engine

Each file is replaced atomically and synced, so a power cut at any instant leaves the old value or
the new one. ``current`` has one writer, and those of the engine have another, so the
downloader and the engine, in two processes, need no lock.
"""

import hashlib
import json
import logging
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import make_folder, sha256_of, whole_file, write_whole

_log = logging.getLogger(__name__)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK = 1 << 20
_MARKS = "tried", "loading", "bad"
_MOST_BEGUN = 2
"""A single power cut holds nothing against a version."""


class ModelSlot:
    """The versions of one model in ``folder``, which is created if missing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._versions = folder / "versions"
        with _written(folder):
            make_folder(self._versions)

    def place(self, path: Path) -> str:
        """Copy the model file at ``path`` into the slot; it does not run yet. Returns its digest.

        An existing version is written again, which repairs a damaged one. A file that changes while
        it is copied is detected when it is read.

        Raises:
            InvalidData: ``path`` can't be read.
            InvalidConfiguration: the slot can't be written (a full disk); nothing has changed.
        """
        try:
            digest = sha256_of(path)
            source = path.open("rb")
        except OSError as error:
            raise InvalidData(
                f"model {path}", f"can't be read ({error.strerror})", "Give a model.onnx"
            ) from error
        file = self._versions / digest / "model.onnx"
        with source, _written(file), whole_file(file) as copy:
            shutil.copyfileobj(source, copy, _CHUNK)
        return digest

    def activate(self, digest: str) -> None:
        """Make ``digest`` the version that should run, even if it failed before.

        Versions that are no longer referred to are removed.

        Raises:
            InvalidData: there is no such version in the slot.
            InvalidConfiguration: the slot can't be written; the old version stays.
        """
        if not self._holds(digest):
            raise InvalidData(
                f"model version {digest!r}",
                f"is not in {self.folder}",
                "Place the file first, and activate the digest that this returns",
            )
        if self.failure(digest) is not None:
            for mark in _MARKS:
                (self._versions / digest / mark).unlink(missing_ok=True)
        self._write(self.folder / "current", digest)
        self._prune()

    def current(self) -> str | None:
        """The digest that should run; None if none was activated."""
        return self._read("current")

    def last_good(self) -> str | None:
        """The newest version that ran and has not failed since; None if there is none."""
        return next(iter(self.ran_before()), None)

    def ran_before(self) -> list[str]:
        """The versions that ran and have not failed since, newest first; at most two."""
        candidates = (self._read("good"), self._read("previous"))
        return [d for d in candidates if d and self._holds(d) and not self.failure(d)]

    def previous(self) -> str | None:
        """The version that ran before the last good one: the target of a rollback."""
        return self._read("previous")

    def failure(self, digest: str) -> str | None:
        """Why ``digest`` was marked bad; None if it was not."""
        try:
            return (self._versions / digest / "bad").read_text("utf-8")
        except OSError:
            return None

    def read(self, digest: str) -> bytes:
        """The model file of a version, after a check of its digest.

        Raises:
            InvalidData: it is absent, can't be read, or is not what was placed.
        """
        path = self._versions / digest / "model.onnx"
        remedy = f"Place the version {digest[:12]} again, or activate another one"
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InvalidData(f"{path}", f"can't be read ({error.strerror})", remedy) from error
        if hashlib.sha256(content).hexdigest() != digest:
            rule = f"is cut or changed: its {len(content)} bytes have another digest than its name"
            raise InvalidData(f"{path}", rule, remedy)
        return content

    def note_about(self, digest: str, about: Mapping[str, Any]) -> None:
        """Record how this version is asked, before it is activated; it is tried as that says."""
        for mark in _MARKS:
            (self._versions / digest / mark).unlink(missing_ok=True)
        self._write(self._versions / digest / "about", json.dumps(about))

    def about(self, digest: str) -> Any:
        """What ``note_about`` recorded, as JSON values; None: nothing that can be read."""
        try:
            return json.loads((self._versions / digest / "about").read_bytes())
        except (OSError, ValueError):
            return None

    def confirm(self, digest: str) -> None:
        """Record that ``digest`` runs: it becomes ``good``, and the former one ``previous``."""
        good = self._read("good")
        if digest == good:
            return
        if good is not None and not self.failure(good):
            self._write(self.folder / "previous", good)
        self._write(self.folder / "good", digest)

    def was_tried(self, digest: str) -> bool:
        """Whether ``note_tried`` was called for this version."""
        return (self._versions / digest / "tried").is_file()

    def note_tried(self, digest: str) -> None:
        """Record that this version was loaded and run in a child process."""
        self._write(self._versions / digest / "tried", "")

    def begin_loading(self, digest: str) -> None:
        """Record, before anything of this version is loaded, that it is.

        Raises:
            InvalidData: that was begun before, and each time the process ended meanwhile.
        """
        mark = self._versions / digest / "loading"
        begun = len(mark.read_bytes()) if mark.is_file() else 0
        if begun >= _MOST_BEGUN:
            raise InvalidData(
                f"model version {digest[:12]}",
                f"was begun to be loaded {begun} times, and the process ended each time",
                "Activate it again if these were power cuts, or publish another model",
            )
        self._write(mark, "x" * (begun + 1))

    def end_loading(self, digest: str) -> None:
        """Record that the loading ended, well or not."""
        (self._versions / digest / "loading").unlink(missing_ok=True)

    def mark_bad(self, digest: str, reason: str) -> None:
        """Mark ``digest`` as failed; it is not tried again until it is activated again."""
        self._write(self._versions / digest / "bad", reason)

    def _holds(self, digest: str) -> bool:
        named = _DIGEST.fullmatch(digest) is not None
        return named and (self._versions / digest / "model.onnx").is_file()

    def _read(self, name: str) -> str | None:
        try:
            digest = (self.folder / name).read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return digest if _DIGEST.fullmatch(digest) else None

    def _write(self, path: Path, text: str) -> None:
        with _written(path):
            write_whole(path, text.encode())

    def _prune(self) -> None:
        named = {self._read(name) for name in ("current", "good", "previous")}
        for version in self._versions.iterdir():
            if version.name not in named:
                shutil.rmtree(version, ignore_errors=True)
        for part in self._versions.glob("*/.model.onnx.*"):  # of a copy that was killed
            part.unlink(missing_ok=True)


@contextmanager
def noted(what: str) -> Iterator[None]:
    """Log, do not raise, that the slot can't be written: predictions go on."""
    try:
        yield
    except InvalidConfiguration as error:
        _log.error("the slot can't note %s, which a restart will not know: %s", what, error)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidConfiguration(
            f"{path}", f"can't be written ({error.strerror})", "Free space or choose another folder"
        ) from error
