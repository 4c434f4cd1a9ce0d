"""Pictures as they are sent: JPEG and PNG; each fault is a refusal that names it."""

import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders import picture_files
from fl_client.sensors.decoders.pictures import PictureDecoder
from fl_common.errors import InvalidConfiguration
from tests.support.pictures import bomb, file_of, noise, of_size, with_chunk

START = 1_700_000_000 * 10**9
GREY, COLOURS = ("grey",), ("red", "green", "blue")
HEIGHT, WIDTH = 20, 30


def decoder(**changes: Any) -> PictureDecoder:
    values: dict[str, Any] = {"forms": ["jpeg", "png"], "width": WIDTH, "height": HEIGHT}
    return PictureDecoder(
        **{**values, "region": None, "scaled": None, "time": "arrival", **changes}
    )


def levels(one: PictureDecoder, payload: bytes, fields: tuple[str, ...] = COLOURS) -> Any:
    found = one.decode(payload, fields, START)
    assert found.times_N.tolist() == [START]
    assert found.values_NC.dtype == np.float32
    return found.values_NC.reshape(len(fields), *one.frame)


def test_a_png_is_its_levels_channel_by_channel_in_the_declared_order() -> None:
    pixels = noise(1)
    found = levels(decoder(), file_of(pixels))
    assert (found == pixels.transpose(2, 0, 1)).all()
    turned = levels(decoder(), file_of(pixels), ("blue", "green", "red"))
    assert (turned == found[::-1]).all()
    assert (levels(decoder(), file_of(pixels), ("green",)) == found[1:2]).all()


def test_a_jpeg_is_what_another_program_sees() -> None:
    smooth = np.add.outer(np.arange(HEIGHT) * 5, np.arange(WIDTH) * 4).astype(np.uint8)
    file = file_of(np.stack([smooth] * 3, 2), "jpeg", quality=95)
    assert np.abs(levels(decoder(), file) - smooth).max() <= 6
    assert np.abs(levels(decoder(), file, GREY) - smooth).max() <= 6


def test_colours_are_made_grey_and_grey_three_equal_colours() -> None:
    pixels = noise(2)
    grey = levels(decoder(), file_of(pixels), GREY)[0]
    assert np.abs(grey - pixels @ (0.299, 0.587, 0.114)).max() <= 1  # ITU-R BT.601
    one = noise(3, colours=1)
    assert (levels(decoder(), file_of(one)) == np.stack([one] * 3)).all()


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_bits_palettes_and_what_is_nowhere_transparent_are_levels(mode: str) -> None:
    source = Image.fromarray(noise(4)).convert("RGB").convert(mode)
    expected = np.asarray(source.convert("RGB"))
    assert (levels(decoder(), file_of(source)) == expected.transpose(2, 0, 1)).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_picture_is_upright_as_a_viewer_shows_it(form: str, turn: int) -> None:
    upright = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    upright[:8, :8] = 255  # a light corner
    upright[:8, 8:] = 100
    undo = {6: 8, 8: 6}.get(turn, turn)
    stored = Image.fromarray(upright)
    if turn > 1:
        stored = stored.transpose(picture_files._TURNED[undo])
    exif = Image.Exif()
    exif[0x0112] = turn
    found = levels(decoder(), file_of(stored, form, exif=exif))
    assert np.abs(found - upright.transpose(2, 0, 1)).mean() < 8


def test_a_region_is_cut_out_and_scaled() -> None:
    pixels = noise(5)
    one = decoder(region=[4, 6, 10, 8])
    assert (levels(one, file_of(pixels)) == pixels[6:14, 4:14].transpose(2, 0, 1)).all()
    half = decoder(region=[4, 6, 10, 8], scaled=[5, 4])
    pooled = pixels[6:14, 4:14].reshape(4, 2, 5, 2, 3).mean((1, 3))
    assert levels(half, file_of(pixels)).shape == (3, 4, 5)
    distance = np.abs(
        levels(half, file_of(pixels))[:, 1:3, 1:4] - pooled.transpose(2, 0, 1)[:, 1:3, 1:4]
    )
    assert distance.mean() < 40


def test_a_picture_may_have_its_stamp_before_it() -> None:
    payload = (START + 5).to_bytes(8, "little") + file_of(noise(6))
    found = decoder(time="stamp").decode(payload, GREY, 0)
    assert found.times_N.tolist() == [START + 5]
    assert found.own_times


def refusal(one: PictureDecoder, payload: bytes, fields: tuple[str, ...] = COLOURS) -> Any:
    with pytest.raises(InvalidPayload) as refused:
        one.decode(payload, fields, START)
    return refused.value


def outcome(payload: bytes) -> Any:
    """The reason why it is refused, or the shape of what is decoded."""
    try:
        return decoder().decode(payload, COLOURS, START).values_NC.shape
    except InvalidPayload as error:
        return error.reason


def sixteen_bits() -> bytes:
    """A PNG of 16 bits for each of three colours, which Pillow itself can't write."""
    rows = b"".join(b"\0" + bytes(range(6)) * WIDTH for _ in range(HEIGHT))
    header = b"IHDR" + struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0)
    chunks = [header, b"IDAT" + zlib.compress(rows), b"IEND"]
    parts = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def animated() -> bytes:
    frames = [Image.fromarray(noise(n)) for n in range(3)]
    return file_of(frames[0], "png", save_all=True, append_images=frames[1:])


SMALL = noise(7)
PNG, JPEG = file_of(SMALL), file_of(SMALL, "jpeg")
CLEAR = np.concatenate([SMALL, np.full((HEIGHT, WIDTH, 1), 200, np.uint8)], 2)
LONG = with_chunk(PNG, b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8), 9))
HOSTILE = [
    (b"", "form", "0 bytes"),
    (b"\0", "form", "neither JPEG nor PNG"),
    (file_of(SMALL, "gif"), "form", "neither JPEG nor PNG"),
    (file_of(SMALL, "webp"), "form", "neither JPEG nor PNG"),
    (animated(), "form", "an animation"),
    (JPEG[:2] + b"\xff\xda\0\2" * 1000 + JPEG[2:], "form", "more than 100 scans"),
    (JPEG[:2] + b"\xff\xdb\0\2" * 2000 + JPEG[2:], "form", "more than 1000 segments"),
    (PNG[:33] + (bytes(4) + b"IDAT" + bytes(4)) * 20_000, "form", "more than 10,000 chunks"),
    (JPEG[:-200], "damaged", "cut off"),
    (JPEG[:40], "damaged", "cut off"),
    (JPEG[:2] + b"\0" + JPEG[2:], "form", "neither JPEG nor PNG"),
    (JPEG[:4] + b"\0\2\0" + JPEG[4:], "damaged", "no part of a JPEG begins at byte 6"),
    (JPEG + JPEG, "form", "several pictures"),
    (JPEG + bytes(9) + PNG, "form", "several pictures"),
    (PNG + PNG, "form", "several pictures"),
    (PNG + JPEG, "form", "several pictures"),
    (PNG[: len(PNG) // 2], "damaged", "cut off"),
    (PNG[:30], "damaged", "cut off"),
    (PNG[:-20] + b"\xff" + PNG[-19:], "damaged", "can't be unpacked"),
    (file_of(Image.fromarray(SMALL).convert("CMYK"), "jpeg"), "colours", "CMYK"),
    (sixteen_bits(), "colours", "16 bits"),
    (file_of(noise(8, colours=1).astype(np.uint16)), "colours", "16 bits"),
    (file_of(CLEAR), "colours", "transparent"),
    (
        file_of(Image.fromarray(SMALL).convert("P"), transparency=bytes(256)),
        "colours",
        "transparent",
    ),
    (file_of(noise(9, 30, 20)), "pixels", "20 x 30 pixels, and 30 x 20 declared"),
    (file_of(noise(9, 21, 30), "jpeg"), "pixels", "30 x 21"),
    (of_size(PNG, 9_000, 9_000), "pixels", "9000 x 9000"),
    (of_size(PNG, WIDTH, HEIGHT + 1), "pixels", "30 x 21"),
    (bomb(), "pixels", "too many pixels to be the 30 x 20 declared"),
]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("payload", "reason", "says"), HOSTILE)
def test_what_is_not_as_it_is_declared_is_named(payload: bytes, reason: str, says: str) -> None:
    refused = refusal(decoder(), payload)
    assert refused.reason == reason
    assert says in str(refused)


def test_only_the_declared_forms_are_opened() -> None:
    assert refusal(decoder(forms=["png"]), JPEG).reason == "form"
    assert refusal(decoder(forms=["jpeg"]), PNG).reason == "form"


def exif_of(entries: int, order: str = ">") -> bytes:
    """Exif that turns a picture by 180 degrees, after so many values that claim to be large."""
    claims = b"".join(struct.pack(order + "HHII", 1000 + n, 7, 1 << 31, 8) for n in range(entries))
    begin = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    turned = struct.pack(order + "HHIHH", 0x0112, 3, 1, 3, 0)
    return begin + struct.pack(order + "H", entries + 1) + claims + turned


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("order", "<>")
def test_nothing_is_said_of_other_values_of_exif(order: str) -> None:
    """Pillow says a line of each, and a hostile camera may send thousands in each picture."""
    exif = exif_of(5000, order)
    turned = SMALL[::-1, ::-1].transpose(2, 0, 1)
    assert (levels(decoder(), with_chunk(PNG, b"eXIf", exif)) == turned).all()
    part = b"Exif\0\0" + exif
    jpeg = JPEG[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + JPEG[2:]
    assert (levels(decoder(), jpeg) == levels(decoder(), JPEG)[:, ::-1, ::-1]).all()


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0", b"MM\0*", b"MM\0*\0\0\0\x08"]))
def test_no_exif_can_make_a_picture_none(noise: bytes, begin: bytes) -> None:
    assert outcome(with_chunk(PNG, b"eXIf", begin + noise)) in ("pixels", (1, 3 * HEIGHT * WIDTH))


def test_a_file_that_says_that_it_has_several_pictures_is_its_first_one() -> None:
    several = file_of(
        Image.fromarray(SMALL), "mpo", save_all=True, append_images=[Image.fromarray(noise(8))]
    )
    assert (levels(decoder(), several) == levels(decoder(), JPEG)).all()


def test_texts_and_colour_profiles_in_a_png_are_not_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("a chunk was unpacked")

    monkeypatch.setattr("PIL.PngImagePlugin._safe_zlib_decompress", fail)
    profile = with_chunk(LONG, b"iCCP", b"a\0\0" + zlib.compress(bytes(10**8), 9))
    for file in (LONG, profile):
        assert (levels(decoder(), file) == SMALL.transpose(2, 0, 1)).all()


@given(st.binary(max_size=300), st.integers(0, 3))
def test_random_bytes_are_refused_with_a_word(noise: bytes, begin: int) -> None:
    payload = [b"", JPEG[:3], PNG[:8], PNG[:33]][begin] + noise
    assert refusal(decoder(), payload).reason in ("form", "damaged", "pixels", "colours")


@given(st.sampled_from([JPEG, PNG]), st.integers(0, 2000), st.binary(min_size=1, max_size=8))
def test_a_file_that_was_altered_is_refused_with_a_word_or_a_picture(
    file: bytes, at: int, other: bytes
) -> None:
    at %= len(file)
    altered = file[:at] + other + file[at + len(other) :]
    assert outcome(altered) in ("form", "damaged", "pixels", "colours", (1, 3 * HEIGHT * WIDTH))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"forms": ["gif"]}, "forms=gif: must be jpeg or png"),
        ({"forms": []}, "must name some of"),
        ({"width": 0}, "width=0"),
        ({"width": 10_000, "height": 10_000}, "67,108,864 pixels or fewer"),
        ({"time": "now"}, "time=now"),
        ({"region": [1, 2, 3]}, "4 whole numbers of pixels"),
        ({"region": [20, 0, 20, 5]}, "must lie within the picture of 30 x 20"),
        ({"region": [0, 0, 0, 5]}, "must lie within the picture"),
        ({"scaled": [0, 5]}, "scaled=0"),
    ],
)
def test_a_declaration_that_can_t_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidConfiguration) as refused:
        decoder(**changes)
    assert says in str(refused.value)


def test_fields_are_grey_or_colours() -> None:
    decoder().check_fields(("blue", "red"))
    for fields, says in [(("level",), "field=level"), (("grey", "red"), "grey alone")]:
        with pytest.raises(InvalidConfiguration, match=says):
            decoder().check_fields(fields)
    large = decoder(width=8000, height=8000)
    with pytest.raises(InvalidConfiguration, match=r"16,777,216 or fewer. Give a region"):
        large.check_fields(GREY)
