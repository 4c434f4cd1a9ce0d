"""Sound in pieces: PCM samples behind a time stamp, or WAV, of a declared rate.

Samples become parts of full scale, -1 to 1. A piece whose rate is not the declared one would be
heard at another pitch, so it is refused: WAV says its own rate, and of pieces with time stamps each
must begin when the one before has ended.
"""

import struct
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.numbers import check_places, places
from fl_client.sensors.decoders.times import ARRIVAL, unlikely
from fl_common.configuration.rules import above, one_of, require
from fl_common.errors import InvalidConfiguration

_STAMP = 8  # bytes
_TYPES: Mapping[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
_FULL = 32768.0
_WAVE = {(1, 16): "s16le", (3, 32): "f32le"}
"""Formats of WAV by their tag (1: whole numbers, 3: floats) and bits of a sample."""
_EXTENSIBLE = 0xFFFE
_EARLY = 0.9
"""A piece that begins before so much of the one before has passed has more samples than it may."""
_SET_BACK_NS = 3600 * 10**9
_MOST_ADDRESSES = 1000


class SoundDecoder:
    """Samples of ``columns`` in turn, at ``rate_hz``.

    ``form`` is pcm (an int64 of nanoseconds since 1970, little-endian, of the first sample, and
    samples of ``type`` s16le or f32le) or wav (a file in itself, of the time of its arrival). If
    ``time`` is "arrival" instead of "stamp", pcm is samples alone, the last of which is of the
    arrival; wav has no stamp.

    Raises:
        InvalidConfiguration: an unknown form, type or time, wav with a stamp, a rate that is not
            above 0, or a duplicate name.
    """

    retains_nothing = True
    """Sound may be speech, so nothing of it is stored unless the box's owner says so."""

    def __init__(
        self, columns: Sequence[str], form: str, type: str, rate_hz: float, time: str
    ) -> None:
        self._names = tuple(map(str, columns))
        require("form", form, one_of(["pcm", "wav"]))
        require("type", type, one_of(_TYPES))
        require("time", time, one_of(["stamp", ARRIVAL]))
        require("rate_hz", rate_hz, above(0))
        if not self._names or len(set(self._names)) < len(self._names):
            rule = "must name each column once"
            raise InvalidConfiguration(f"columns={self._names}", rule, "Correct the names")
        if form == "wav" and time != ARRIVAL:
            rule = "is not in a WAV file"
            raise InvalidConfiguration(f"time={time}", rule, f"Set it to {ARRIVAL}")
        self._is_wave, self._type, self._rate_hz = form == "wav", type, rate_hz
        self._stamp = 0 if time == ARRIVAL else _STAMP
        self._ends = OrderedDict[str, tuple[int, int]]()  # start and length by address, in ns

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        check_places(fields, self._names)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``."""
        return self.decode_from("", payload, fields, received_ns)

    def decode_from(
        self, address: str, payload: bytes, fields: tuple[str, ...], received_ns: int
    ) -> Decoded:
        """See ``ReadsAddresses``."""
        samples = self._of_wave(payload) if self._is_wave else payload[self._stamp :]
        values_NC = self._values_NC(samples)
        steps_N = (np.arange(len(values_NC)) * (1e9 / self._rate_hz)).round()
        if self._stamp:
            first = int.from_bytes(payload[:_STAMP], "little", signed=True)
        else:
            first = received_ns - int(steps_N[-1])
        if not 0 <= first < 2**63 - 1 - int(steps_N[-1]):
            raise unlikely(first)
        if self._stamp:
            self._check_rate(address, first, len(values_NC))
        wanted = values_NC if fields == self._names else values_NC[:, places(fields, self._names)]
        return Decoded(first + steps_N.astype(np.int64), wanted, None, bool(self._stamp))

    def _values_NC(self, samples: bytes) -> NDArray[np.float64]:
        """The samples as parts of full scale."""
        kind = _TYPES[self._type]
        row = len(self._names) * kind.itemsize
        if len(samples) < row or len(samples) % row:
            rule = f"{len(samples)} bytes are not samples of {row} bytes, all channels in turn"
            raise InvalidPayload("length", rule)
        sent_NC = np.frombuffer(samples, kind).reshape(-1, len(self._names))
        values_NC: NDArray[np.float64] = sent_NC.astype(np.float64)
        if kind.kind == "i":
            return values_NC / _FULL
        if not np.isfinite(values_NC).all():
            raise InvalidPayload("number", "a sample is not finite")
        return values_NC

    def _of_wave(self, payload: bytes) -> bytes:
        """The samples in a WAV file, whose format must be the declared one."""
        form, samples = _chunks(payload)
        found = _WAVE.get((form.tag, form.bits), f"format {form.tag} of {form.bits} bits")
        if found != self._type:
            raise InvalidPayload("form", f"its samples are {found}, not {self._type}")
        if form.channels != len(self._names):
            rule = f"it has {form.channels} channels, not {len(self._names)}"
            raise InvalidPayload("form", rule)
        if form.rate_hz != self._rate_hz:
            raise _of_another_rate(form.rate_hz, self._rate_hz)
        return samples

    def _check_rate(self, address: str, first: int, count: int) -> None:
        """Refuse a piece that begins while the one before is still sounding.

        One that comes again, or late, tells nothing; one that is an hour earlier is of a clock that
        was set back, or the one before of a clock that was wrong.
        """
        length = round(count * 1e9 / self._rate_hz)
        before, length_before = self._ends.pop(address, (first, 0))
        is_set_back = before - first > _SET_BACK_NS
        newest = max((before, length_before), (first, length))
        self._ends[address] = (first, length) if is_set_back else newest
        if len(self._ends) > _MOST_ADDRESSES:
            self._ends.popitem(last=False)
        if 0 < first - before < _EARLY * length_before:
            count_before = length_before * self._rate_hz / 1e9
            raise _of_another_rate(round(count_before / (first - before) * 1e9), self._rate_hz)


class _Format(NamedTuple):
    tag: int
    channels: int
    rate_hz: int
    bits: int


def _chunks(payload: bytes) -> tuple[_Format, bytes]:
    """Format and samples of a WAV file (RIFF), whose sizes may be unknown, as in a stream.

    Raises:
        InvalidPayload: it is none, or lacks one of the two.
    """
    if len(payload) < 12 or payload[:4] != b"RIFF" or payload[8:12] != b"WAVE":
        raise InvalidPayload("form", "it is no WAV file")
    form, at = None, 12
    while at + 8 <= len(payload):
        name, size = payload[at : at + 4], int.from_bytes(payload[at + 4 : at + 8], "little")
        content = payload[at + 8 : at + 8 + size]
        if name == b"fmt " and len(content) >= 16:
            form = _format(content)
        if name == b"data":
            if form is None:
                break
            is_stream = size in (0, 0xFFFFFFFF)
            if not is_stream and len(content) < size:
                raise InvalidPayload("length", f"it is cut off: {len(content)} of {size} bytes")
            return form, payload[at + 8 :] if is_stream else content
        at += 8 + size + size % 2
    raise InvalidPayload("form", "it is no WAV file with a format and samples after it")


def _format(content: bytes) -> _Format:
    tag, channels, rate_hz, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == _EXTENSIBLE and len(content) >= 26:
        tag = int.from_bytes(content[24:26], "little")
    return _Format(tag, channels, rate_hz, bits)


def _of_another_rate(found: Any, declared: float) -> InvalidPayload:
    return InvalidPayload("rate", f"sampled at {found:g} Hz, and {declared:g} Hz is declared")
