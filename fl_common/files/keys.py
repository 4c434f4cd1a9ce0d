"""Keys of sites: made where the site is, known elsewhere by their public half alone.

ECDSA on P-384, as Flower's SuperLink asks of its nodes.
"""

import base64
import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole

_LARGEST_BYTES = 10_000
_DER, _SPKI = Encoding.DER, PublicFormat.SubjectPublicKeyInfo


def make_key(path: Path) -> bytes:
    """Make a private key at ``path``, readable by its owner alone; returns the public half (PEM).

    Raises:
        InvalidConfiguration: the file exists already, or can't be written.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        make_folder(path.parent, 0o700)
        write_whole(path, private, OWNER_ONLY, new=True)
    except FileExistsError:
        raise InvalidConfiguration(
            str(path), "exists already", "Remove it, or name another file or folder"
        ) from None
    except OSError as error:
        raise InvalidConfiguration(
            str(path), f"can't be written ({error.strerror})", "Name another file or folder"
        ) from error
    return key.public_key().public_bytes(Encoding.PEM, _SPKI)


def read_public_key(path: Path) -> bytes:
    """The public key in a file that ``fl-client key`` wrote, as PEM in its one usual form.

    Raises:
        InvalidConfiguration: no such file, or anything else in it.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST_BYTES)
    except OSError as error:
        raise InvalidConfiguration(
            f"--public={path}", f"can't be read ({error.strerror})", "Give the file of the box"
        ) from error
    if b"PRIVATE KEY" in text:
        raise InvalidConfiguration(
            f"--public={path}",
            "holds a private key, which belongs on the box alone",
            "Give the public half (.pub), and make the box a new key: this one was carried about",
        )
    if (key := usual_form(text)) is None:
        raise InvalidConfiguration(
            f"--public={path}", "is no public key on P-384 (PEM)", "Make it with: fl-client key"
        )
    return key


def usual_form(text: bytes) -> bytes | None:
    """The public key on P-384 in ``text``, as PEM in its one usual form; None if it is not one."""
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        return None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        return None
    return key.public_bytes(Encoding.PEM, _SPKI)


@dataclass(frozen=True)
class SigningKey:
    """A private key that ``make_key`` has made, in the file at ``path``.

    Raises:
        InvalidConfiguration: it can't be read, or holds something else.
    """

    path: Path
    _key: ec.EllipticCurvePrivateKey = field(init=False, repr=False)

    def __post_init__(self) -> None:
        try:
            key = load_pem_private_key(self.path.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidConfiguration(
                str(self.path), f"can't be read as a key ({error})", "Make one: fl-client key FILE"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise InvalidConfiguration(
                str(self.path), "holds no key on a curve", "Make one: fl-client key FILE"
            )
        object.__setattr__(self, "_key", key)

    @property
    def public(self) -> bytes:
        """The public half (PEM)."""
        return self._key.public_key().public_bytes(Encoding.PEM, _SPKI)

    def sign(self, text: bytes) -> bytes:
        """A signature of ``text`` (ECDSA with SHA-384, DER)."""
        return self._key.sign(text, ec.ECDSA(hashes.SHA384()))


def is_signed(text: bytes, signature: bytes, public_key: bytes) -> bool:
    """Whether the holder of ``public_key`` (PEM in its usual form) has signed ``text``."""
    key = load_pem_public_key(public_key)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    try:
        key.verify(signature, text, ec.ECDSA(hashes.SHA384()))
    except InvalidSignature:
        return False
    return True


def fingerprint(public_key: bytes) -> str:
    """A short name of a public key (PEM), to be read out: as ``ssh-keygen -l``, over DER."""
    der = load_pem_public_key(public_key).public_bytes(_DER, _SPKI)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
