"""Pictures: JPEG or PNG, one in each message, of the one size that a camera has."""

from collections.abc import Sequence

import numpy as np

from fl_client.sensors import Decoded, InvalidPayload
from fl_client.sensors.decoders.times import ARRIVAL
from fl_common.configuration.rules import Rule, one_of, optional, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.programs.requirements import check_installed

_STAMP = 8  # bytes
_FORMS = ("jpeg", "png")
_GREY, _COLOURS = ("grey",), ("red", "green", "blue")
_LONGEST = 16_384
_MOST_PIXELS = 1 << 26
"""Of a picture as it is sent: its colours then take 192 MiB while it is unpacked."""
_MOST_VALUES = 1 << 24
"""Of a picture as it is used: 64 MiB."""


class PictureDecoder:
    """Pictures of ``width`` and ``height`` pixels in one of ``forms``: jpeg or png.

    The fields are grey alone, or any of red, green and blue; values are levels from 0 to 255. A
    picture in colours is made grey, and a grey one has three equal colours, where that is declared.
    Of each picture ``region`` is used (left, top, width and height; None: all of it), ``scaled`` to
    a width and a height (None: as it is). ``time`` is arrival, or stamp: an int64 of nanoseconds
    since 1970, little-endian, before the file.

    Raises:
        InvalidConfiguration: a value out of range, a region beyond the picture, or no Pillow.
    """

    retains_nothing = True
    """A picture may show people, so nothing of it is stored unless the box's owner says so."""

    def __init__(
        self,
        forms: Sequence[str],
        width: int,
        height: int,
        region: Sequence[int] | None,
        scaled: Sequence[int] | None,
        time: str,
    ) -> None:
        check_installed("a sensor that sends pictures", "pictures", ["PIL"])
        from fl_client.sensors.decoders.picture_files import Wanted  # Pillow: an extra

        for form in forms:
            require("forms", form, one_of(_FORMS))
        require("forms", list(forms), Rule(f"must name some of {_FORMS}", bool))
        for name, value in (("width", width), ("height", height)):
            require(name, value, whole(1, _LONGEST))
        few = Rule(f"must be {_MOST_PIXELS:,} pixels or fewer", lambda n: n <= _MOST_PIXELS)
        require("width * height", width * height, few)
        require("time", time, one_of(["stamp", ARRIVAL]))
        require("region", region, optional(_numbers(4)))
        require("scaled", scaled, optional(_numbers(2)))
        left, top, *size = region or (0, 0, width, height)
        if min(size) < 1 or left + size[0] > width or top + size[1] > height:
            rule = f"must lie within the picture of {width} x {height} pixels"
            remedy = "Give left, top, width and height in pixels"
            raise InvalidConfiguration(f"region={region}", rule, remedy)
        to = tuple(scaled or size)
        for length in to:
            require("scaled", length, whole(1, _LONGEST))
        self.frame = to[1], to[0]
        """Height and width of the pictures that it gives."""
        box = (left, top, left + size[0], top + size[1])
        self._wanted = Wanted(tuple(forms), (width, height), box, (to[0], to[1]))
        self._stamp = 0 if time == ARRIVAL else _STAMP

    def check_fields(self, fields: tuple[str, ...]) -> None:
        """See ``KnowsFields``."""
        for field in fields:
            require("field", field, one_of([*_GREY, *_COLOURS]))
        if len(fields) > 1 and set(fields) - set(_COLOURS):
            rule = "must be grey alone, or of red, green and blue"
            raise InvalidConfiguration(f"fields {', '.join(fields)}", rule, "Correct the channels")
        few = Rule(f"must be {_MOST_VALUES:,} or fewer", lambda count: count <= _MOST_VALUES)
        count, remedy = len(fields) * self.frame[0] * self.frame[1], "Give a region, or scaled"
        require("the values of a picture", count, few, remedy)

    def decode(self, payload: bytes, fields: tuple[str, ...], received_ns: int) -> Decoded:
        """See ``Decoder``; a picture is one reading, all pixels of a field after the other."""
        if len(payload) <= self._stamp:
            raise InvalidPayload("form", f"{len(payload)} bytes are no picture")
        time_ns = received_ns
        if self._stamp:
            time_ns = int.from_bytes(payload[:_STAMP], "little", signed=True)
        pixels = self._wanted.picture(payload[self._stamp :], is_grey=fields == _GREY)
        values_CHW = np.empty((len(fields), *self.frame), np.float32)
        for place, field in enumerate(fields):
            values_CHW[place] = pixels if fields == _GREY else pixels[..., _COLOURS.index(field)]
        times_N = np.array([time_ns], np.int64)
        return Decoded(times_N, values_CHW.reshape(1, -1), None, bool(self._stamp))


def _numbers(count: int) -> Rule:
    each = whole(0, _LONGEST)
    return Rule(
        f"must be {count} whole numbers of pixels",
        lambda given: len(given) == count and all(each.holds(one) for one in given),
    )
