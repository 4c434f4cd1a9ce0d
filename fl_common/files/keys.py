"""Keys of sites: made where the site is, known elsewhere by their public half alone.

ECDSA on P-384, as Flower's SuperLink asks of its nodes.
"""

import base64
import hashlib
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
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
    try:
        key = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise InvalidConfiguration(
            f"--public={path}", "is no public key on P-384 (PEM)", "Make it with: fl-client key"
        )
    return key.public_bytes(Encoding.PEM, _SPKI)


def fingerprint(public_key: bytes) -> str:
    """A short name of a public key (PEM), to be read out: as ``ssh-keygen -l``, over DER."""
    der = load_pem_public_key(public_key).public_bytes(_DER, _SPKI)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
