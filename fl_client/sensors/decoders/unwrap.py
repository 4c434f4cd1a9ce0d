"""Payloads inside of payloads: each opens one wrapping and leaves the content to a decoder."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import replace

from fl_client.sensors import (
    Decoded,
    Decoder,
    InvalidPayload,
    KnowsFields,
    frame_of,
    retains_nothing,
)
from fl_client.sensors.decoders.forms import json_value
from fl_client.sensors.decoders.paths import at, path_of, short_text
from fl_client.sensors.decoders.times import ARRIVAL, check_time, check_times, stamps
from fl_client.sensors.packed import unpacked
from fl_common.configuration.rules import one_of, require, whole
from fl_common.plugins.kinds import DECODER, check_extension


class Gzip:
    """A payload that is packed by gzip (RFC 1952) or zlib (RFC 1950), for ``decoder``.

    One with more than ``most_bytes`` when unpacked is malformed, and is unpacked no further.

    Raises:
        InvalidConfiguration: ``most_bytes`` is below 1, or ``decoder`` is none.
    """

    def __init__(self, most_bytes: int, decoder: Decoder) -> None:
        require("most_bytes", most_bytes, whole(1))
        check_extension(DECODER, decoder)
        self._most, self._decoder = most_bytes, decoder
        self.retains_nothing, self.frame = retains_nothing(decoder), frame_of(decoder)

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        check_inner(self._decoder, fields)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        return self._decoder.decode(unpacked(payload, self._most), fields, received_ns)


class Envelope:
    """A JSON object with the payload of a device as a text in it, for ``decoder``.

    The text is at ``content``, in ``encoding`` base64 or hex (or none: the text itself in UTF-8).
    ``time`` is the path of the stamp in the envelope, in ``time_unit``, or "arrival"; the decoder
    takes it for the time of arrival, so it is that of a payload without a stamp. ``id`` is the path
    of the message's own identity, None if it has none.

    Raises:
        InvalidConfiguration: an unknown encoding or unit of time, or ``decoder`` is none.
    """

    def __init__(
        self,
        content: str,
        encoding: str,
        time: str,
        time_unit: str | None,
        id: str | None,
        decoder: Decoder,
    ) -> None:
        require("encoding", encoding, one_of(_ENCODINGS))
        check_time(time, time_unit)
        check_extension(DECODER, decoder)
        self._content, self._bytes = path_of(content), _ENCODINGS[encoding]
        self._place = content
        self._time = None if time == ARRIVAL else path_of(time)
        self._unit = time_unit or ""
        self._id = None if id is None else path_of(id)
        self._decoder = decoder
        self.retains_nothing, self.frame = retains_nothing(decoder), frame_of(decoder)

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        check_inner(self._decoder, fields)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        envelope = json_value(payload)
        text = at(envelope, self._content)
        if not isinstance(text, str):
            raise InvalidPayload("structure", f"has no text at {self._place[:80]}")
        if self._time is not None:
            times_N = stamps([at(envelope, self._time)], self._unit)
            check_times(times_N)
            received_ns = times_N.item()
        try:
            content = self._bytes(text)
        except (binascii.Error, ValueError) as error:
            raise InvalidPayload("encoding", f"{self._place[:80]} is not encoded so") from error
        decoded = self._decoder.decode(content, fields, received_ns)
        identity = decoded.id if self._id is None else short_text(at(envelope, self._id), "id")
        own = decoded.own_times or self._time is not None
        return replace(decoded, id=identity, own_times=own)


def _of_base64(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii"), validate=True)


_ENCODINGS: Mapping[str, Callable[[str], bytes]] = {
    "base64": _of_base64,
    "hex": bytes.fromhex,
    "none": lambda text: text.encode("utf-8"),
}


def check_inner(decoder: Decoder, fields: tuple[str, ...]) -> None:
    """Let the decoder of the content check ``fields``, if it knows them before a payload.

    Raises:
        InvalidConfiguration: it can't have one of them.
    """
    if isinstance(decoder, KnowsFields):
        decoder.check_fields(fields)
