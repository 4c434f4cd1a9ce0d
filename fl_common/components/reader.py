"""The verifying reader of the repository, for sites and all other consumers.

All metadata go through python-tuf's ``ngclient``, which stores the metadata it has seen and so
detects a repository that was rolled back. A component is found by kind, name and stage:
``targets/<stage>/<kind>/<sha256>.<name>.json`` is its manifest, listed with length and sha256 by
the stage's role; the manifest lists the content, ``targets/content/<sha256>.data``.

Only one process at a time may use a folder.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.api.metadata import TargetFile
from tuf.ngclient import Updater, UpdaterConfig

from fl_common.components.description import (
    MANIFEST,
    Component,
    ContentFile,
    Kind,
    Stage,
    target_path,
)
from fl_common.components.fetcher import FolderFetcher, SteadyFetcher
from fl_common.errors import InvalidData, RepositoryUnreachable, UpdateRefused
from fl_common.files.whole import (
    make_folder,
    move_whole,
    sha256_of,
    sync,
    sync_folders,
    write_whole,
)

_CONTENT = "content/data"
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True)
class Limits:
    """The largest sizes and the lowest speed that a reader accepts from a repository.

    ``timeout_s`` is the longest wait for a connection and between two bytes; after that time, a
    response must also have arrived at ``bytes_per_second``. ``manifest_bytes`` and
    ``component_bytes`` bound one manifest and the content of one component.
    """

    timeout_s: int
    bytes_per_second: float
    manifest_bytes: int
    component_bytes: int


@dataclass(frozen=True)
class Offer:
    """The component that a stage offers under a name, and what its role signed with it.

    ``event`` is the digest of the event that published it. ``canary_percent`` of the sites should
    take it first; None: all at once.
    """

    component: Component
    event: str
    canary_percent: int | None


class Reader:
    """Reads one repository on behalf of a site.

    ``folder`` (created if missing) holds trusted metadata in ``metadata/``, manifests in
    ``manifests/`` and fetched components in ``components/<digest>/``. ``source`` is the repository:
    its URL (``https://host/path``) or its folder. ``trusted_root`` is the content of a
    ``root.json`` that came with the site's installation, never from the source. ``ca_file`` has the
    authority of an https source's certificate; None: those that the system trusts.
    """

    def __init__(
        self,
        folder: Path,
        source: str | Path,
        trusted_root: bytes,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        ca_file: Path | None = None,
    ) -> None:
        self._folder, self._root, self._limits = folder, trusted_root, limits
        if isinstance(source, Path):
            self._base = source.resolve().as_uri()
            self._fetcher: FolderFetcher | SteadyFetcher = FolderFetcher()
        else:
            self._base = source.rstrip("/")
            self._fetcher = SteadyFetcher(limits.timeout_s, limits.bytes_per_second, clock, ca_file)
        self._updater: Updater | None = None
        logging.getLogger("tuf").setLevel(logging.ERROR)

    def refresh(self) -> None:
        """Load the repository's newest trusted state; under 5 KB of traffic if nothing changed.

        After a failure nothing can be looked up or downloaded until a refresh succeeds; fetched
        components stay.

        Raises:
            UpdateRefused: the metadata are expired, older than those seen, wrongly signed, or
                damaged. Its ``__cause__`` is python-tuf's exception.
            RepositoryUnreachable: no response, an error, or a response too slow or too long.
        """
        self._updater = None
        for name in ("metadata", "manifests", "components"):
            make_folder(self._folder / name)
        with _translated("the repository's metadata"):
            updater = Updater(
                str(self._folder / "metadata"),
                f"{self._base}/metadata/",
                str(self._folder / "manifests"),
                f"{self._base}/targets/",
                self._fetcher,
                UpdaterConfig(),
                bootstrap=self._root,
            )
            updater.refresh()
        self._updater = updater

    def current(self, kind: Kind, name: str, stage: Stage) -> Component | None:
        """The component in ``stage`` with this name, as of the last refresh; None if none.

        Raises:
            UpdateRefused, RepositoryUnreachable: as for ``offer``.
        """
        offer = self.offer(kind, name, stage)
        return offer.component if offer else None

    def offer(self, kind: Kind, name: str, stage: Stage) -> Offer | None:
        """What ``stage`` offers under this name, as of the last refresh; None if nothing.

        Downloads the manifest if it is new.

        Raises:
            UpdateRefused: as for ``refresh``; or the manifest is not what was signed, is malformed,
                or describes another component.
            RepositoryUnreachable: as for ``refresh``.
        """
        what = f"{kind} {name} in {stage}"
        updater = self._trusted()
        with _translated(what):
            target = updater.get_targetinfo(target_path(kind, name, stage))
            custom = (target.custom if target else None) or {}
            if target is None or custom.get("retired"):
                return None
            if target.length > self._limits.manifest_bytes:
                raise UpdateRefused(f"{what}: its manifest is too long ({target.length} bytes).")
            path = updater.find_cached_target(target) or updater.download_target(target)
            component = Component.from_manifest(Path(path).read_bytes())
        if component.digest != target.hashes.get("sha256"):
            raise UpdateRefused(f"{what}: its manifest was altered here.")
        if (component.kind, component.name) != (kind, name):
            raise UpdateRefused(f"{what}: its manifest describes {component}.")
        return Offer(component, str(custom.get("event", "")), _percent(what, custom))

    def fetch(self, component: Component) -> Path:
        """The folder with the component's verified content and its ``manifest.json``.

        Downloads what is missing, and after an interruption resumes at the file it had reached. The
        folder appears only when it is complete and on disk. Its files are verified each time.

        Raises:
            UpdateRefused: content differs from the manifest in length or sha256.
            RepositoryUnreachable: as for ``refresh``.
        """
        if (held := self.held(component.digest)) is not None:
            return held
        if component.size > self._limits.component_bytes:
            raise UpdateRefused(f"{component}: its content is too long ({component.size} bytes).")
        updater = self._trusted()
        folder = self._folder / "components" / component.digest
        part = folder.with_suffix(".part")
        for file in component.files:
            _download(updater, component, file, part / file.path)
        write_whole(part / MANIFEST, component.manifest)
        sync_folders(part)
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        move_whole(part, folder)
        return folder

    def held(self, digest: str) -> Path | None:
        """The folder of a fetched component if it is complete, else None; needs no connection."""
        return held_in(self._folder, digest)

    def keep_only(self, digests: Collection[str]) -> None:
        """Delete complete and partial components that are not among ``digests``."""
        for folder in (self._folder / "components").glob("*"):
            if folder.stem not in digests:
                shutil.rmtree(folder)

    def _trusted(self) -> Updater:
        if self._updater is None:
            raise UpdateRefused("No trusted state of the repository: refresh first.")
        return self._updater


def held_in(folder: Path, digest: str) -> Path | None:
    """The folder of a complete component in a reader's ``folder``, for other processes of a box."""
    component = folder / "components" / digest
    return component if is_whole(component, digest) else None


def is_whole(folder: Path, digest: str) -> bool:
    """Whether ``folder`` has the complete component with this digest."""
    try:
        content = (folder / MANIFEST).read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            return False
        component = Component.from_manifest(content)
        return all(_matches(folder / file.path, file) for file in component.files)
    except (OSError, InvalidData):
        return False


def _percent(what: str, custom: Mapping[str, Any]) -> int | None:
    percent = custom.get("canary_percent")
    if percent is None or (type(percent) is int and 0 < percent < 100):
        return percent
    raise UpdateRefused(f"{what}: canary_percent {str(percent)[:40]!r} must lie between 1 and 99.")


def _matches(path: Path, file: ContentFile) -> bool:
    if path.is_symlink() or path.stat().st_size != file.bytes:
        return False
    return sha256_of(path) == file.sha256


def _download(updater: Updater, component: Component, file: ContentFile, path: Path) -> None:
    """Download a content file, verify it, and write it to ``path`` durably."""
    target = TargetFile(file.bytes, {"sha256": file.sha256}, _CONTENT)
    with _translated(f"{component}, file {file.path}"):
        if updater.find_cached_target(target, str(path)) is None:
            updater.download_target(target, str(path))
            sync(path)


@contextmanager
def _translated(what: str) -> Iterator[None]:
    """Turn python-tuf's errors into our two, with a one-line message."""
    try:
        yield
    except DownloadError as error:
        reason = f"{error} {error.__cause__ or ''}".strip()
        raise RepositoryUnreachable(f"{what}: {_line(error, reason)}") from error
    except (RepositoryError, InvalidData, *_MALFORMED) as error:
        raise UpdateRefused(f"{what}: {_line(error, str(error))}") from error


def _line(error: Exception, text: str) -> str:
    return f"{' '.join(text.split())[:300]} ({type(error).__name__})."
