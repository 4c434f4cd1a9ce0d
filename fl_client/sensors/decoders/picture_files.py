"""Files of pictures, unpacked by Pillow only if they are what is declared.

What a file says of itself is compared first: its form, its size, the bits of a pixel. So nothing is
unpacked that takes more memory or time than a picture of the declared size.
"""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fl_client.sensors import InvalidPayload
from fl_client.sensors.decoders.picture_parts import BEGINS, jpeg_parts, png_parts

_BOX = tuple[int, int, int, int]
_SIDEWAYS = (5, 6, 7, 8)
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by the orientation in its Exif."""
_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_WITH_ALPHA = ("LA", "PA", "RGBA")


@dataclass(frozen=True)
class Wanted:
    """The pictures that are declared: ``forms`` and ``size`` (width, height).

    Of each the ``box`` (left, top, right, bottom) is used, scaled to the size ``to``.
    """

    forms: tuple[str, ...]
    size: tuple[int, int]
    box: _BOX
    to: tuple[int, int]

    def picture(self, content: bytes, *, is_grey: bool) -> NDArray[np.uint8]:
        """Levels (H, W) if ``is_grey``, else (H, W, 3) of red, green and blue.

        Raises:
            InvalidPayload: it is not as declared, or can't be unpacked.
        """
        form = next((f for f, begin in BEGINS.items() if content.startswith(begin)), None)
        if form not in self.forms:
            found = form or "neither JPEG nor PNG"
            raise InvalidPayload("form", f"it is {found}, and {' or '.join(self.forms)} declared")
        content, turn = jpeg_parts(content) if form == "jpeg" else png_parts(content)
        try:
            with Image.open(io.BytesIO(content), formats=[form]) as image:
                return self._used(image, turn, "L" if is_grey else "RGB")
        except InvalidPayload:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            detail = f"it has too many pixels to be the {self.size[0]} x {self.size[1]} declared"
            raise InvalidPayload("pixels", detail) from error
        except Exception as error:  # Pillow raises many kinds of errors for foreign bytes
            raise InvalidPayload("damaged", f"it can't be unpacked ({_short(error)})") from error

    def _used(self, image: Image.Image, turn: int, mode: str) -> NDArray[np.uint8]:
        self._check_size(image.size[::-1] if turn in _SIDEWAYS else image.size)
        if image.mode not in _MODES:
            raise InvalidPayload("colours", f"its colours are {image.mode}")
        upright: Any = image if turn not in _TURNED else image.transpose(_TURNED[turn])
        plain = _opaque(upright).convert(mode)
        if self.box != (0, 0, *self.size) or self.to != self.size:
            plain = plain.resize(self.to, Image.Resampling.BILINEAR, self.box)
        return np.asarray(plain)

    def _check_size(self, size: tuple[int, int]) -> None:
        if size != self.size:
            declared = f"and {self.size[0]} x {self.size[1]} declared"
            raise InvalidPayload("pixels", f"it has {size[0]} x {size[1]} pixels, {declared}")


def _opaque(image: Image.Image) -> Image.Image:
    """The picture, of which nothing may be transparent."""
    if image.mode not in _WITH_ALPHA and "transparency" not in image.info:
        return image
    whole = image.convert("RGBA")
    if whole.getchannel("A").getextrema() != (255, 255):
        raise InvalidPayload("colours", "it is transparent in places")
    return whole


def _short(error: Exception) -> str:
    return "it is cut off" if "truncated" in str(error) else type(error).__name__
