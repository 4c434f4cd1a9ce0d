"""Signing keys: ed25519, in files that only their owner may read, or in the environment.

A key file is ``<role>-<number>.pem`` (PKCS #8, not encrypted, mode 600). A key in the environment
is the same PEM text in ``FL_REPO_KEY_<ROLE>``; several are concatenated. A private key is never
written anywhere but to its own file.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.signer import CryptoSigner, Key

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole

VARIABLE = "FL_REPO_KEY_"
_OTHERS = 0o077
_PEM = re.compile(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", re.DOTALL)


class KeyRing:
    """The available private keys: those in ``folder`` and in ``environment``."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder, self._environment = folder, environment

    def signers(self, role: str, keyids: Collection[str]) -> list[CryptoSigner]:
        """Signers for those of ``keyids`` whose private keys are available under the role's name.

        Raises:
            InvalidConfiguration: a key file that others may read, or without an ed25519 key.
        """
        variable = VARIABLE + role.upper()
        texts = {str(path): _read(path) for path in sorted(self._folder.glob(f"{role}-*.pem"))}
        for pem in _PEM.findall(self._environment.get(variable, "").encode()):
            texts[f"{variable} {len(texts)}"] = pem
        found = {(one := _signer(name, pem)).public_key.keyid: one for name, pem in texts.items()}
        return [signer for keyid, signer in found.items() if keyid in keyids]

    def create(self, role: str, count: int) -> list[Key]:
        """Make ``count`` new keys for ``role`` as files; returns the public keys."""
        make_folder(self._folder, 0o700)
        numbers = [int(path.stem.rpartition("-")[2]) for path in self._folder.glob(f"{role}-*.pem")]
        first = max(numbers, default=0) + 1
        return [
            _create(self._folder / f"{role}-{number}.pem") for number in range(first, first + count)
        ]

    def where(self, role: str) -> str:
        """A phrase that says where a key for ``role`` is looked up."""
        return f"{self._folder}/{role}-*.pem or the variable {VARIABLE}{role.upper()}"


def _create(path: Path) -> Key:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_whole(path, pem, OWNER_ONLY, new=True)
    return CryptoSigner(private).public_key


def _read(path: Path) -> bytes:
    mode = path.stat().st_mode & 0o777
    if mode & _OTHERS:
        raise InvalidConfiguration(
            f"key file {path} with mode {mode:o}",
            "must be readable only by its owner",
            f"Find out who has read it, then chmod 600 {path}",
        )
    return path.read_bytes()


def _signer(name: str, pem: bytes) -> CryptoSigner:
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        private = None
    if not isinstance(private, Ed25519PrivateKey):
        # "from None", and no part of the text: an error message must not show a key.
        raise InvalidConfiguration(
            f"key {name}",
            "is not an unencrypted ed25519 private key in PEM",
            "Give the file that fl-repo init or fl-repo keys has written",
        ) from None
    return CryptoSigner(private)
