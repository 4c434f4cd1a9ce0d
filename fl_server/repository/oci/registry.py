"""The part of an OCI registry's HTTP interface that one artifact needs: blobs and manifests.

OCI Distribution Specification 1.1. Uploads are confirmed by digest; downloads are used only if they
have the requested digest and size.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

import urllib3

from fl_common.errors import InvalidConfiguration, RepositoryUnreachable, UpdateRefused
from fl_common.files.whole import sha256_of, whole_file

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_REFERENCE = re.compile(
    r"(?P<host>[A-Za-z0-9.-]+(:\d+)?)/(?P<name>[a-z0-9]+([._/-]+[a-z0-9]+)*)"
    r"(:(?P<tag>\w[\w.-]{0,127})|@(?P<digest>sha256:[0-9a-f]{64}))"
)
_MOST_MANIFEST_BYTES = 4 << 20  # the size that a registry must accept
_CHUNK = 1 << 20
_REDIRECTS = 3
_OK, _CREATED, _ACCEPTED, _UNAUTHORIZED, _NOT_FOUND = 200, 201, 202, 401, 404


@dataclass(frozen=True)
class Reference:
    """``host/name:tag``, or ``host/name@sha256:...``."""

    host: str
    name: str
    version: str

    @staticmethod
    def parse(text: str) -> "Reference":
        """Parse ``text``.

        Raises:
            InvalidConfiguration: it is not a reference.
        """
        if (found := _REFERENCE.fullmatch(text)) is None:
            raise InvalidConfiguration(
                f"reference {text[:200]!r}",
                "must be REGISTRY/NAME:TAG or REGISTRY/NAME@sha256:DIGEST",
                "Give one such as registry.example.org/models/wearables:3",
            )
        return Reference(found["host"], found["name"], found["tag"] or found["digest"])

    def __str__(self) -> str:
        mark = "@" if self.version.startswith("sha256:") else ":"
        return f"{self.host}/{self.name}{mark}{self.version}"


@dataclass(frozen=True)
class Login:
    """Credentials; never shown."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r})"

    def header(self) -> str:
        """HTTP basic authentication (RFC 7617)."""
        pair = f"{self.user}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"


class Registry:
    """The repository of a registry that a reference names.

    Without TLS if ``plain`` is true. ``timeout_s`` is the longest wait for a connection and between
    two bytes.

    Raises (all methods):
        RepositoryUnreachable: no response, or an error.
        UpdateRefused: content without the digest or the size that it must have.
    """

    def __init__(
        self, reference: Reference, login: Login | None, plain: bool, timeout_s: float
    ) -> None:
        self._reference, self._login = reference, login
        self._base = f"{'http' if plain else 'https'}://{reference.host}/v2/{reference.name}/"
        retries = urllib3.Retry(total=None, connect=0, read=0, status=0, redirect=_REDIRECTS)
        self._http = urllib3.PoolManager(timeout=timeout_s, retries=retries)
        self._token: str | None = None

    def push_blob(self, content: bytes | Path) -> str:
        """Upload ``content``; returns its digest."""
        digest = f"sha256:{_sha256(content)}"
        with self._ask("HEAD", f"blobs/{digest}", {_OK, _NOT_FOUND}) as found:
            if found.status == _OK:
                return digest
        with self._ask("POST", "blobs/uploads/", {_ACCEPTED}) as begun:
            place = urljoin(self._base, begun.headers["Location"])
        place += ("&" if "?" in place else "?") + urlencode({"digest": digest})
        headers = {"Content-Type": "application/octet-stream"}
        with self._ask("PUT", place, {_CREATED}, headers, content) as stored:
            self._confirm(stored, digest)
        return digest

    def push_manifest(self, manifest: bytes) -> str:
        """Upload ``manifest`` under the reference's tag; returns its digest."""
        digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
        place = f"manifests/{self._reference.version}"
        with self._ask("PUT", place, {_CREATED}, {"Content-Type": MANIFEST_TYPE}, manifest) as done:
            self._confirm(done, digest)
        return digest

    def pull_manifest(self) -> bytes:
        """The manifest under the reference."""
        version = self._reference.version
        place, headers = f"manifests/{version}", {"Accept": MANIFEST_TYPE}
        with self._ask("GET", place, {_OK}, headers) as answer:
            content = answer.read(_MOST_MANIFEST_BYTES + 1)
            reported = answer.headers.get("Docker-Content-Digest")
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        wanted = version if version.startswith("sha256:") else reported
        if len(content) > _MOST_MANIFEST_BYTES or wanted not in (None, digest):
            raise UpdateRefused(f"{self._reference}: its manifest is not {wanted}, or too long.")
        return bytes(content)

    def pull_blob(self, digest: str, size: int, path: Path) -> None:
        """Download the blob with this digest and size to ``path``."""
        found, left = hashlib.sha256(), size
        with self._ask("GET", f"blobs/{digest}", {_OK}) as answer, whole_file(path) as file:
            for chunk in answer.stream(_CHUNK):
                left -= len(chunk)
                found.update(chunk)
                if left < 0:
                    break
                file.write(chunk)
            if left != 0 or digest != f"sha256:{found.hexdigest()}":
                raise UpdateRefused(f"{self._reference}: the content of {digest[:19]} is not it.")

    def _confirm(self, answer: urllib3.BaseHTTPResponse, digest: str) -> None:
        reported = answer.headers.get("Docker-Content-Digest")
        if reported not in (None, digest):
            raise UpdateRefused(f"{self._reference}: sent {digest}, the registry kept {reported}.")

    @contextmanager
    def _ask(
        self,
        method: str,
        place: str,
        expected: set[int],
        headers: Mapping[str, str] | None = None,
        body: bytes | Path | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """One request, after a login if the registry requires one."""
        try:
            answer = self._request(method, place, headers or {}, body)
            if answer.status == _UNAUTHORIZED:  # also if a token is valid for less than this
                self._token = self._log_in(answer.headers.get("WWW-Authenticate", ""))
                answer.close()
                answer = self._request(method, place, headers or {}, body)
            if answer.status not in expected:
                words = " ".join(answer.read(500).decode(errors="replace").split())
                raise RepositoryUnreachable(
                    f"{self._reference}: {method} was answered with {answer.status}. {words[:200]}"
                )
            try:
                yield answer
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            raise RepositoryUnreachable(
                f"{self._reference}: {' '.join(str(error).split())[:300]}."
            ) from error

    def _request(
        self, method: str, place: str, headers: Mapping[str, str], body: bytes | Path | None
    ) -> urllib3.BaseHTTPResponse:
        given = dict(headers)
        if self._token is not None and urljoin(self._base, place).startswith(self._base):
            given["Authorization"] = self._token
        url = urljoin(self._base, place)
        if isinstance(body, Path):
            given["Content-Length"] = str(body.stat().st_size)
            with body.open("rb") as file:
                return self._http.request(
                    method, url, headers=given, body=file, preload_content=False
                )
        return self._http.request(method, url, headers=given, body=body, preload_content=False)

    def _log_in(self, challenge: str) -> str:
        """The header that the registry's challenge requires: basic, or a token (as for Harbor)."""
        scheme, _, rest = challenge.partition(" ")
        asked = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if scheme.lower() != "bearer":
            return self._login.header() if self._login else ""
        realm = asked.pop("realm", "")
        if self._base.startswith("https:") and not realm.startswith("https:"):
            raise UpdateRefused(f"{self._reference}: asks for a login at {realm[:100]!r}.")
        headers = {"Authorization": self._login.header()} if self._login else {}
        answer = self._http.request("GET", f"{realm}?{urlencode(asked)}", headers=headers)
        payload: Any = json.loads(answer.data) if answer.status == _OK else {}
        return f"Bearer {payload.get('token') or payload.get('access_token') or ''}"


def _sha256(content: bytes | Path) -> str:
    return sha256_of(content) if isinstance(content, Path) else hashlib.sha256(content).hexdigest()
