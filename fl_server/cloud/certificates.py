"""Certificates and keys for small fleets and tests: a private authority, P-384 throughout.

An operator with another authority provides the server's certificate and key. Keys of sites are in
``fl_common.files.keys``.
"""

import datetime
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fl_common.files.whole import OWNER_ONLY, make_folder, write_whole

Clock = Callable[[], float]
_DAY_S = 86400.0
_SKEW = datetime.timedelta(minutes=5)
_RENEWED = 1 / 3
"""Of a certificate's validity is left when it is renewed."""


@dataclass(frozen=True)
class Pair:
    """Files of a certificate and its private key, readable only by their owner."""

    certificate: Path
    key: Path

    def read(self) -> x509.Certificate:
        """The certificate, the first one of its file.

        Raises:
            UnusablePair: a file is missing, empty or damaged, or the key is another's.
        """
        certificate = self.read_certificate()
        try:
            key = load_pem_private_key(self.key.read_bytes(), None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _unusable(self.key, error) from error
        if key.public_key() != certificate.public_key():
            raise UnusablePair(f"{self.key} is not the key of {self.certificate}")
        return certificate

    def read_certificate(self) -> x509.Certificate:
        """The same without its key.

        Raises:
            UnusablePair: the file is missing, empty or damaged.
        """
        try:
            return x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError) as error:
            raise _unusable(self.certificate, error) from error


class UnusablePair(Exception):
    """Why a certificate or its key can't be used, in a phrase that names the file."""


def _unusable(path: Path, error: Exception) -> UnusablePair:
    if isinstance(error, FileNotFoundError):
        return UnusablePair(f"{path} is missing")
    if isinstance(error, OSError):
        return UnusablePair(f"{path} can't be read ({error.strerror})")
    return UnusablePair(f"{path} is empty, damaged or encrypted")


def ends_at(certificate: x509.Certificate) -> float:
    """The end of its validity, in seconds since 1970."""
    return certificate.not_valid_after_utc.timestamp()


def is_late(certificate: x509.Certificate, now: float) -> bool:
    """Whether a certificate should have been renewed: less than a third of its time is left."""
    began = certificate.not_valid_before_utc.timestamp()
    return ends_at(certificate) - now < _RENEWED * (ends_at(certificate) - began)


def why_renew(
    pair: Pair, authority: x509.Certificate, hosts: Sequence[str], now: float
) -> str | None:
    """Why a server's pair has to be made anew, in a phrase; None if it is as it should be."""
    try:
        certificate = pair.read()
    except UnusablePair as error:
        return str(error)
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return "it is of another authority"
    if certificate.not_valid_before_utc.timestamp() > now:
        return "it is not valid yet"
    if set(names_in(certificate)) != set(hosts):
        return f"it has to be for {', '.join(hosts)}"
    if is_late(certificate, now) and ends_at(certificate) < ends_at(authority):
        return f"it ends at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
    return None


def names_in(certificate: x509.Certificate) -> list[str]:
    """The hosts that a certificate is for."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names.value]


def make_authority(pair: Pair, name: str, days: float, clock: Clock) -> None:
    """A new certificate authority, valid for ``days``."""
    key = ec.generate_private_key(ec.SECP384R1())
    builder = _builder(_name(name), _name(name), key, days, clock)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
        key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(usage, critical=True)
    _write(pair, builder.sign(key, hashes.SHA384()), key)


def make_server(
    pair: Pair, authority: Pair, hosts: Sequence[str], days: float, clock: Clock
) -> None:
    """A server's certificate for ``hosts`` (names and addresses), signed by ``authority``.

    It is valid for ``days``, but not for longer than the authority.

    Raises:
        UnusablePair: that of the authority.
    """
    issuer = authority.read()
    days = min(days, (ends_at(issuer) - clock()) / _DAY_S)
    issuer_key = load_pem_private_key(authority.key.read_bytes(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP384R1())
    builder = (
        _builder(_name(hosts[0]), issuer.subject, key, days, clock)
        .add_extension(x509.SubjectAlternativeName([_host(h) for h in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    _write(pair, builder.sign(issuer_key, hashes.SHA384()), key)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    days: float,
    clock: Clock,
) -> x509.CertificateBuilder:
    now = datetime.datetime.fromtimestamp(clock(), datetime.UTC)
    ends = now + datetime.timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - _SKEW)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
    make_folder(pair.key.parent, 0o700)
    write_whole(pair.key, _private(key), OWNER_ONLY)
    write_whole(pair.certificate, certificate.public_bytes(Encoding.PEM))
