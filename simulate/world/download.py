"""Downloads of public data sets: with a progress bar, checked, and whole or not at all.

Where the publisher states a checksum it is compared. Where none is known, the sha256 of the first
download is kept beside the file (``name.sha256``, as ``sha256sum`` writes it): that proves later
that the file is still the one that came, not that the right one came.
"""

import hashlib
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from fl_common.errors import InvalidData
from fl_common.files.whole import whole_file

_CHUNK_BYTES = 1 << 20
_TIMEOUT_S = 30.0


def fetch(url: str, path: Path, remedy: str, md5: str | None) -> None:
    """Download ``url`` to ``path``; ``md5`` is the publisher's checksum, or None to record ours.

    Raises:
        InvalidData: no network, a cut transfer or a wrong checksum; ``remedy`` says what to do.
    """
    published, own = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with whole_file(path) as file:
        for chunk in _chunks(url, path.name, remedy):
            file.write(chunk)
            published.update(chunk)
            own.update(chunk)
        if md5 is not None and published.hexdigest() != md5:
            raise InvalidData(url, f"must have md5 {md5}, not {published.hexdigest()}", remedy)
        if md5 is None:
            with whole_file(_record_of(path)) as record:
                record.write(f"{own.hexdigest()}  {path.name}\n".encode())


def check_recorded(path: Path) -> None:
    """Raise InvalidData where ``path`` differs from its recorded checksum, if it has one."""
    record = _record_of(path)
    if not record.is_file():
        return
    expected = record.read_text("utf-8", errors="replace").partition(" ")[0]
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected:
        raise InvalidData(
            str(path),
            f"must have the sha256 recorded in {record.name}, {expected}, not {found}",
            f"Delete both files, {path.name} and {record.name}, to download it again",
        )


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _chunks(url: str, name: str, remedy: str) -> Iterator[bytes]:
    """The body of ``url`` piece by piece, shown as a bar on standard error."""
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    received = 0
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response, bar:
            size = int(response.headers["Content-Length"] or 0) or None
            shown = bar.add_task(name, total=size)
            while chunk := response.read(_CHUNK_BYTES):
                received += len(chunk)
                bar.update(shown, advance=len(chunk))
                yield chunk
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise InvalidData(url, f"can't be downloaded ({error})", remedy) from error
    if size is not None and received != size:
        raise InvalidData(url, f"ended after {received} of {size} bytes", remedy)
