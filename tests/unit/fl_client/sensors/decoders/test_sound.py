"""Sound as it is sent: PCM in pieces and WAV; each fault is a refusal that names it."""

import io
import wave
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_client.sensors import InvalidPayload, retains_nothing
from fl_client.sensors.decoders.sound import SoundDecoder
from fl_client.sensors.decoders.unwrap import Envelope, Gzip
from fl_common.errors import InvalidConfiguration

START = 1_700_000_000 * 10**9
FIELDS = ("sound",)


def decoder(**changes: Any) -> SoundDecoder:
    values: dict[str, Any] = {"columns": FIELDS, "form": "pcm", "type": "s16le"}
    return SoundDecoder(**{**values, "rate_hz": 16_000, "time": "stamp", **changes})


def piece(samples_N: Any, start_ns: int = START, kind: str = "<i2") -> bytes:
    return start_ns.to_bytes(8, "little", signed=True) + np.asarray(samples_N, kind).tobytes()


def wav(samples_NC: Any, rate: int = 16_000, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:  # the standard library writes it: a foreign judge
        written.setnchannels(np.shape(samples_NC)[1])
        written.setsampwidth(width)
        written.setframerate(rate)
        written.writeframes(np.asarray(samples_NC, f"<i{width}").tobytes())
    return file.getvalue()


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=300))
def test_pcm_and_wav_of_the_same_samples_are_parts_of_full_scale(samples: list[int]) -> None:
    found = decoder().decode(piece(samples), FIELDS, 0)
    assert (found.values_NC[:, 0] * 32768).tolist() == samples
    steps = np.arange(len(samples)) * 62_500
    assert (found.times_N - START == steps).all()
    assert found.own_times
    file = wav(np.array(samples)[:, None])
    other = decoder(form="wav", time="arrival").decode(file, FIELDS, START)
    assert (other.values_NC == found.values_NC).all()
    assert other.times_N[-1] == START
    assert not other.own_times


def test_floats_are_taken_as_they_are_and_channels_by_their_names() -> None:
    one = decoder(type="f32le", columns=("left", "right"))
    payload = piece([0.5, -1, 0.25, 1], kind="<f4")
    assert one.decode(payload, ("right",), 0).values_NC.tolist() == [[-1], [1]]


def refusal(one: SoundDecoder, payload: bytes, address: str = "") -> InvalidPayload:
    with pytest.raises(InvalidPayload) as refused:
        one.decode_from(address, payload, FIELDS, START)
    return refused.value


@pytest.mark.parametrize(
    ("changes", "payload", "reason", "says"),
    [
        ({}, piece([1, 2]) + b"\0", "length", "5 bytes are not samples of 2 bytes"),
        ({}, piece([]), "length", "0 bytes"),
        ({}, b"\1\2\3", "length", "0 bytes"),
        ({"type": "f32le"}, piece([np.nan], kind="<f4"), "number", "not finite"),
        ({}, piece([1], -5), "time", ""),
        ({"form": "wav"}, b"OggS" + b"\0" * 50, "form", "no WAV file"),
        ({"form": "wav"}, wav([[1]], rate=44_100), "rate", "sampled at 44100 Hz, and 16000 Hz is"),
        ({"form": "wav"}, wav([[1, 2]]), "form", "2 channels, not 1"),
        ({"form": "wav"}, wav([[1]], width=4), "form", "format 1 of 32 bits, not s16le"),
        ({"form": "wav"}, wav([[1]] * 50)[:-20], "length", "cut off: 80 of 100 bytes"),
        ({"form": "wav"}, wav([[1]])[:30], "form", "no WAV file with a format"),
    ],
)
def test_what_is_not_as_it_is_declared_is_named(
    changes: dict[str, Any], payload: bytes, reason: str, says: str
) -> None:
    time = {"time": "arrival"} if changes.get("form") == "wav" else {}
    refused = refusal(decoder(**changes, **time), payload)
    assert refused.reason == reason
    assert says in str(refused)


def test_a_wav_file_of_a_stream_has_no_size() -> None:
    file = bytearray(wav([[1], [2]]))
    at = file.index(b"data") + 4
    file[at : at + 4] = b"\xff" * 4
    one = decoder(form="wav", time="arrival")
    assert len(one.decode(bytes(file), FIELDS, START).times_N) == 2


def pieces(true_hz: float, count: int) -> list[bytes]:
    """Pieces of 1600 samples, whose stamps are those of a microphone at ``true_hz``."""
    return [piece([0] * 1600, START + round(n * 1600 / true_hz * 1e9)) for n in range(count)]


def test_44_kilohertz_declared_as_16_is_refused_from_the_second_piece_on() -> None:
    one = decoder()
    first, *others = pieces(44_100, 5)
    one.decode_from("microphone", first, FIELDS, START)
    for payload in others:
        assert "rate: sampled at 44100 Hz, and 16000 Hz" in str(refusal(one, payload, "microphone"))


def test_one_wrong_stamp_does_not_end_the_comparison_of_rates() -> None:
    one = decoder()
    one.decode_from("microphone", piece([0] * 1600, START + 10**18), FIELDS, START)
    first, *others = pieces(44_100, 3)
    one.decode_from("microphone", first, FIELDS, START)
    for payload in others:
        assert refusal(one, payload, "microphone").reason == "rate"


@given(st.permutations(list(range(6))), st.floats(0.97, 1.03))
def test_pieces_in_any_order_again_or_with_one_missing_are_taken(
    order: list[int], drift: float
) -> None:
    one, sent = decoder(), pieces(16_000 * drift, 6)
    for number in (*range(6), *order, *range(0, 6, 2)):
        one.decode_from("microphone", sent[number], FIELDS, START)


def test_two_microphones_of_one_sensor_are_told_apart() -> None:
    one = decoder()
    for payload in pieces(16_000, 3):
        for address in ("a", "b"):
            one.decode_from(address, payload, FIELDS, START)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"form": "mp3"}, "form=mp3: must be pcm or wav"),
        ({"type": "u8"}, "type=u8: must be s16le or f32le"),
        ({"rate_hz": 0}, "rate_hz=0"),
        ({"form": "wav"}, "time=stamp: is not in a WAV file"),
        ({"columns": ("a", "a")}, "must name each column once"),
    ],
)
def test_a_declaration_that_can_t_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidConfiguration, match=says.replace("(", r"\(")):
        decoder(**changes)


def test_sound_in_an_envelope_or_packed_is_kept_from_the_disk_too() -> None:
    inside: dict[str, Any] = {"content": "data", "encoding": "hex", "time": "arrival", "id": None}
    for one in (Envelope(**inside, time_unit=None, decoder=decoder()), Gzip(99, decoder())):
        assert retains_nothing(one)
