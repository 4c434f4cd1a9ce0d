"""Displays as a camera sees them, drawn from a seed.

They are of any colours, tilted, blurred and noisy; some digits have seven segments. Typefaces are
Pillow's own and those of Debian's fonts-dejavu-core and fonts-liberation.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

WIDTH, HEIGHT = 320, 120
REGION = 24, 32, 256, 56
"""Left, top, width and height of the display in the picture."""
SEGMENTS, OWN = "seven segments", "Pillow's own"
TYPEFACES = {
    OWN: None,
    "DejaVu Sans": "DejaVuSans",
    "DejaVu Sans Mono": "DejaVuSansMono",
    "DejaVu Serif": "DejaVuSerif",
    "Liberation Sans Bold": "LiberationSans-Bold",
}
KINDS = (*TYPEFACES, SEGMENTS)
_LIT = {"0": "abcdef", "1": "bc", "2": "abged", "3": "abgcd", "4": "fgbc", "5": "afgcd",
        "6": "afgedc", "7": "abc", "8": "abcdefg", "9": "abcdfg"}  # fmt: skip
_ENDS = {"a": (0, 0, 1, 0), "b": (1, 0, 1, 1), "c": (1, 1, 1, 2), "d": (0, 2, 1, 2),
         "e": (0, 1, 0, 2), "f": (0, 0, 0, 1), "g": (0, 1, 1, 1)}  # fmt: skip


def drawn(kind: str, seed: int) -> Iterator[tuple[Image.Image, str]]:
    """Pictures of WIDTH x HEIGHT pixels, and what stands on the display in REGION."""
    draw = np.random.default_rng([seed, KINDS.index(kind)])
    while True:
        text = _number(draw)
        paper, ink = draw.integers(150, 256, 3), draw.integers(0, 70, 3)
        if draw.random() < 0.3:
            paper, ink = ink, paper
        picture = Image.new("RGB", (WIDTH, HEIGHT), tuple(int(v) for v in draw.integers(0, 256, 3)))
        canvas = ImageDraw.Draw(picture)
        left, top, width, height = REGION
        box = (left - 6, top - 6, left + width + 6, top + height + 6)
        canvas.rectangle(box, fill=tuple(int(v) for v in paper))
        _write(canvas, kind, text, tuple(int(v) for v in ink), draw)
        yield _seen(picture, draw), text


def _number(draw: Any) -> str:
    digits = "".join(str(n) for n in draw.integers(0, 10, int(draw.integers(3, 7))))
    places = int(draw.integers(0, 3))
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _write(canvas: Any, kind: str, text: str, ink: tuple[int, ...], draw: Any) -> None:
    left, top, _, height = REGION
    at = left + int(draw.integers(8, 24))
    if kind == SEGMENTS:
        _segments(canvas, text, ink, at, top + 8, height - 16)
        return
    font = _font(kind, int(draw.integers(34, 42)))
    canvas.text((at, top + height // 2), text, fill=ink, font=font, anchor="lm")


def _font(kind: str, size: int) -> Any:
    name = TYPEFACES[kind]
    if name is None:
        return ImageFont.load_default(size)
    return ImageFont.truetype(f"{name}.ttf", size)


def _segments(canvas: Any, text: str, ink: Any, at: int, top: int, height: int) -> None:
    half, thick = height / 2, height // 8
    for character in text:
        if character == ".":
            low = top + height
            canvas.rectangle((at - 2, low - thick, at - 2 + thick, low), fill=ink)
            at += thick + 6
            continue
        for name in _LIT[character]:
            x0, y0, x1, y1 = _ENDS[name]
            ends = at + x0 * half, top + y0 * half, at + x1 * half, top + y1 * half
            canvas.line(ends, fill=ink, width=thick)
        at += int(half) + 2 * thick + 2


def _seen(picture: Image.Image, draw: Any) -> Image.Image:
    """The picture a little tilted, blurred and noisy, as a camera has it."""
    tilt, blur = float(draw.uniform(-2, 2)), float(draw.uniform(0, 1.2))
    tilted = picture.rotate(tilt, Image.Resampling.BILINEAR, fillcolor=(128, 128, 128))
    levels = np.asarray(tilted.filter(ImageFilter.GaussianBlur(blur)), np.float64)
    shade = (
        1 + 0.15 * math.sin(float(draw.uniform(0, 6))) * np.linspace(-1, 1, WIDTH)[None, :, None]
    )
    noisy = levels * shade + draw.normal(0, draw.uniform(0, 16), levels.shape)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
