"""Signed statements about components: events of their history, and verdicts of gates.

Each is one JSON value in an envelope (DSSE, https://github.com/secure-systems-lab/dsse), signed by
the responsible role. Events form a chain per component and stage: an event names the digest of its
predecessor, and the stage's role names the newest, so none can be removed or inserted.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error as SignatureError
from securesystemslib.signer import CryptoSigner, Key

from fl_common.errors import UpdateRefused
from fl_server.repository.gates import AGAINST

EVENT_TYPE = "application/vnd.join-the-dots.event+json"
STATEMENT_TYPE = "application/vnd.in-toto+json"
_STATEMENT = "https://in-toto.io/Statement/v1"
_TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_TESTS = {"PASSED": "passedTests", "WARNED": "warnedTests", "FAILED": "failedTests"}
NOTHING = "nothing to compare with"
"""The word for a gate that compares with production, where production has nothing."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a component in a stage.

    ``what`` is added, promoted, forced, rolled back or retired; ``digest`` the component, ``at``
    the time (RFC 3339), ``reason`` a free text, ``verdicts`` the verdict of each gate, ``previous``
    the digest of the previous event, and ``canary_percent`` the share of sites that should take it
    first (None: all). ``signed_by`` are the identities of the keys that signed it, and are not part
    of the signed value.
    """

    what: str
    stage: str
    kind: str
    name: str
    version: str
    digest: str
    at: str
    previous: str | None
    reason: str | None = None
    verdicts: Mapping[str, bool] = field(default_factory=dict)
    canary_percent: int | None = None
    signed_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Verdict:
    """The finding of ``gate`` about the component with ``digest``, in one sentence.

    ``values`` are the figures and settings used, ``at`` the time (RFC 3339).
    """

    gate: str
    digest: str
    passed: bool
    detail: str
    values: Mapping[str, Any]
    at: str

    @property
    def word(self) -> str:
        """The finding in a word, or two."""
        if not self.passed:
            return "FAILED"
        return NOTHING if self._compared_nothing else "passed"

    @property
    def _compared_nothing(self) -> bool:
        return self.passed and AGAINST in self.values and self.values[AGAINST] is None

    def to_statement(self, name: str) -> dict[str, Any]:
        """The in-toto statement (v1) with a Test Result predicate (v0.1)."""
        settings = json.dumps(dict(self.values), sort_keys=True)
        result = "WARNED" if self._compared_nothing else "PASSED" if self.passed else "FAILED"
        return {
            "_type": _STATEMENT,
            "subject": [{"name": name, "digest": {"sha256": self.digest}}],
            "predicateType": _TEST_RESULT,
            "predicate": {
                "result": result,
                "configuration": [
                    {
                        "name": self.gate,
                        "digest": {"sha256": hashlib.sha256(settings.encode()).hexdigest()},
                        "annotations": dict(self.values),
                    }
                ],
                **{tests: [self.gate] * (result == word) for word, tests in _TESTS.items()},
                "detail": self.detail,
                "at": self.at,
            },
        }

    @staticmethod
    def from_statement(statement: Mapping[str, Any]) -> "Verdict":
        """The verdict of a statement; KeyError, TypeError or ValueError if it is not one."""
        if (statement["_type"], statement["predicateType"]) != (_STATEMENT, _TEST_RESULT):
            raise ValueError("not a test result")
        (subject,), predicate = statement["subject"], statement["predicate"]
        (settings,) = predicate["configuration"]
        gate, result = settings["name"], predicate["result"]
        if any(predicate[tests] != [gate] * (result == word) for word, tests in _TESTS.items()):
            raise ValueError("result and tests disagree")
        return Verdict(
            gate,
            subject["digest"]["sha256"],
            result != "FAILED",
            predicate["detail"],
            settings["annotations"],
            predicate["at"],
        )


def sign(value: object, payload_type: str, signers: Sequence[CryptoSigner]) -> bytes:
    """The envelope with ``value`` as JSON, signed by all ``signers``."""
    payload = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    envelope = Envelope(payload, payload_type, {})
    for signer in signers:
        envelope.sign(signer)
    return json.dumps(envelope.to_dict(), sort_keys=True).encode()


def sign_event(event: Event, signers: Sequence[CryptoSigner]) -> bytes:
    """The envelope of an event."""
    fields = asdict(event)
    del fields["signed_by"]
    return sign(fields, EVENT_TYPE, signers)


def read_event(content: bytes, keys: Sequence[Key], threshold: int) -> Event:
    """The event in an envelope that enough of ``keys`` have signed.

    Raises:
        UpdateRefused: it is damaged, or not signed so.
    """
    fields = opened(content, EVENT_TYPE, keys, threshold)
    try:
        return replace(Event(**fields), signed_by=tuple(_signers_of(content, keys)))
    except TypeError as error:
        raise UpdateRefused(f"An event of the history is damaged ({error}).") from error


def _signers_of(content: bytes, keys: Sequence[Key]) -> Iterator[str]:
    """Identities of those of ``keys`` that have signed the envelope."""
    envelope = Envelope.from_dict(json.loads(content))
    for key in keys:
        with suppress(SignatureError):
            envelope.verify([key], 1)
            yield key.keyid


def read_verdict(content: bytes, keys: Sequence[Key], threshold: int) -> Verdict:
    """The verdict in an envelope that enough of ``keys`` have signed.

    Raises:
        UpdateRefused: it is damaged, or not signed so.
    """
    try:
        return Verdict.from_statement(opened(content, STATEMENT_TYPE, keys, threshold))
    except (KeyError, TypeError, ValueError) as error:
        raise UpdateRefused(f"A verdict is damaged ({type(error).__name__}: {error}).") from error


def opened(content: bytes, payload_type: str, keys: Sequence[Key], threshold: int) -> Any:
    """The JSON value of an envelope that enough of ``keys`` have signed.

    Raises:
        UpdateRefused: it is damaged, of another type, or not signed so.
    """
    try:
        envelope = Envelope.from_dict(json.loads(content))
        envelope.verify(list(keys), threshold)
        if envelope.payload_type != payload_type:
            raise ValueError(f"of type {envelope.payload_type[:80]}")
        return json.loads(envelope.payload)
    except (SignatureError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UpdateRefused(
            f"A statement is not properly signed, or damaged ({type(error).__name__}: {error})."
        ) from error
