"""Fetch a repository's files: over HTTP with a minimum speed, or from a folder."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import urllib3
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient import FetcherInterface, Urllib3Fetcher
from tuf.ngclient._internal.proxy import ProxyEnvironment

from fl_common.programs.proxies import check_proxies

_CHUNK = 65_536
_NOT_FOUND = 404
_AGENT = "join-the-dots"


class SteadyFetcher(Urllib3Fetcher):
    """HTTP, with an error for a response that trickles (TUF: slow retrieval attack).

    The library itself only limits the time between two bytes, to ``timeout_s``. Here a response
    must also arrive at ``bytes_per_second`` or faster, measured from ``timeout_s`` after its start.
    Over https the server's certificate must be from the authority in ``ca_file``; None: from one
    that the system trusts.

    Raises:
        InvalidConfiguration: the environment names a proxy that can't be used.
    """

    def __init__(
        self,
        timeout_s: int,
        bytes_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        ca_file: Path | None = None,
    ) -> None:
        check_proxies()
        super().__init__(socket_timeout=timeout_s, app_user_agent=_AGENT)
        if ca_file is not None:
            self._proxy_env = ProxyEnvironment(
                headers={"User-Agent": _AGENT}, ca_certs=str(ca_file)
            )
        self._least, self._clock = bytes_per_second, clock

    def _chunks(self, response: urllib3.response.BaseHTTPResponse) -> Iterator[bytes]:
        began, received = self._clock(), 0
        try:
            while chunk := response.read1(_CHUNK):
                received += len(chunk)
                late = self._clock() - began - self.socket_timeout
                if received < self._least * late:
                    raise SlowRetrievalError(f"{received} bytes in {late:.0f} s")
                yield chunk
        except urllib3.exceptions.TimeoutError as error:
            raise SlowRetrievalError from error
        finally:
            response.close()


class FolderFetcher(FetcherInterface):
    """A repository in a local folder, with ``file:`` URLs."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        path = Path(unquote(urlsplit(url).path))
        if not path.is_file():
            raise DownloadHTTPError(f"{path} is not there", _NOT_FOUND)
        return _read(path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
