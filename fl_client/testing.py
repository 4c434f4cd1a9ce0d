"""The contract of a decoder, as a check that its author runs in his own tests.

Not for use outside tests: an assertion that fails says what is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import numpy as np

from fl_client.sensors import Decoded, Decoder, InvalidPayload, ReadsAddresses
from fl_common.plugins.kinds import DECODER, check_extension

_RECEIVED_NS = 1_700_000_000 * 10**9
_TRIES = 2000


def check_decoder(
    decoder: Decoder, payload: bytes, fields: tuple[str, ...], address: str = ""
) -> Decoded:
    """Check that ``decoder`` reads ``payload``, which has ``fields``; gives what it says of it.

    ``address`` is where the payload was sent to, for a decoder that is a ``ReadsAddresses``.

    Whatever arrives in its place (noise, a part of it, single bytes changed, other fields), a
    decoder gives arrays of the right form or raises InvalidPayload, and never anything else: the
    sensing loop waits for it.

    Raises:
        AssertionError: what does not hold.
        InvalidConfiguration: it is no decoder.
    """
    check_extension(DECODER, decoder)
    if isinstance(decoder, ReadsAddresses):
        decoder = _At(decoder, address)
    try:
        decoded = decoder.decode(payload, fields, _RECEIVED_NS)
    except InvalidPayload as error:
        raise AssertionError(f"the example payload is refused ({error})") from error
    _check_form(decoded, fields)
    assert np.isfinite(decoded.values_NC).all(), f"the example lacks a field of {fields}"
    for other in _payloads(payload):
        _try(decoder, other, fields)
    _try(decoder, payload, (*fields, "no-such-field"))
    return decoded


@dataclass(frozen=True)
class _At:
    """What a decoder does with the messages to one address."""

    decoder: ReadsAddresses
    address: str

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        return self.decoder.decode_from(self.address, payload, fields, received_ns)


def _payloads(payload: bytes) -> Iterator[bytes]:
    """Payloads that a faulty sensor, or a stranger, might send; the same each time."""
    random = Random(0)
    yield from (b"", b"\0", b"\xff" * 64, payload + b"\0", payload * 2)
    yield from (payload[:length] for length in range(len(payload)))
    for _ in range(_TRIES):
        yield random.randbytes(random.randrange(200))
        changed = bytearray(payload)
        for _ in range(random.randrange(1, 4)):
            changed[random.randrange(len(changed))] = random.randrange(256)
        yield bytes(changed)


def _try(decoder: Decoder, payload: bytes, fields: tuple[str, ...]) -> None:
    try:
        decoded = decoder.decode(payload, fields, _RECEIVED_NS)
    except InvalidPayload as error:
        if error.reason.isidentifier():
            return
        raise AssertionError(f"the reason {error.reason!r} is not one word") from error
    except Exception as error:
        raise AssertionError(
            f"payload {payload[:80]!r} raises {type(error).__name__} ({error}): a decoder raises"
            " InvalidPayload and nothing else"
        ) from error
    _check_form(decoded, fields)


def _check_form(decoded: Decoded, fields: tuple[str, ...]) -> None:
    times_N, values_NC = decoded.times_N, decoded.values_NC
    assert times_N.ndim == 1, f"times_N has shape {times_N.shape}, not (N,)"
    assert len(times_N) > 0, "a payload without readings is decoded; it must raise InvalidPayload"
    assert times_N.dtype == np.int64, f"times_N is {times_N.dtype}, not int64 (nanoseconds)"
    expected = (len(times_N), len(fields))
    assert values_NC.shape == expected, f"values_NC has shape {values_NC.shape}, not {expected}"
    assert values_NC.dtype == np.float64, f"values_NC is {values_NC.dtype}, not float64"
