"""Conversion of units: from the declared unit of a sensor to the unit of the task."""

from collections.abc import Mapping

from fl_common.errors import InvalidConfiguration

_STANDARD_GRAVITY = 9.80665  # m/s2, CGPM 1901
_DEGREE = 0.017453292519943295  # rad

_LINEAR: Mapping[str, tuple[str, float, float]] = {
    "m/s2": ("m/s2", 1.0, 0.0),
    "m/s^2": ("m/s2", 1.0, 0.0),
    "g": ("m/s2", _STANDARD_GRAVITY, 0.0),
    "mg": ("m/s2", _STANDARD_GRAVITY / 1000, 0.0),
    "rad/s": ("rad/s", 1.0, 0.0),
    "deg/s": ("rad/s", _DEGREE, 0.0),
    "mdeg/s": ("rad/s", _DEGREE / 1000, 0.0),
    "rad": ("rad", 1.0, 0.0),
    "deg": ("rad", _DEGREE, 0.0),
    "K": ("K", 1.0, 0.0),
    "Cel": ("K", 1.0, 273.15),
    "degF": ("K", 5 / 9, 459.67 * 5 / 9),
    "V": ("V", 1.0, 0.0),
    "mV": ("V", 1e-3, 0.0),
    "uV": ("V", 1e-6, 0.0),
    "A": ("A", 1.0, 0.0),
    "mA": ("A", 1e-3, 0.0),
    "W": ("W", 1.0, 0.0),
    "kW": ("W", 1e3, 0.0),
    "Pa": ("Pa", 1.0, 0.0),
    "hPa": ("Pa", 1e2, 0.0),
    "kPa": ("Pa", 1e3, 0.0),
    "bar": ("Pa", 1e5, 0.0),
    "m": ("m", 1.0, 0.0),
    "mm": ("m", 1e-3, 0.0),
    "T": ("T", 1.0, 0.0),
    "uT": ("T", 1e-6, 0.0),
    "/": ("/", 1.0, 0.0),
    "%": ("/", 1e-2, 0.0),
    "%RH": ("/", 1e-2, 0.0),
}
"""For each unit its base unit, and factor and offset of ``value * factor + offset`` in base units.

Names are from RFC 8428, section 12.1, and RFC 8798 where possible; "g" is standard gravity.
"""


def conversion(unit: str, to: str) -> tuple[float, float]:
    """``(factor, offset)`` of ``to = value * factor + offset``; the same unit needs no table.

    Raises:
        InvalidConfiguration: no conversion between the two is known.
    """
    if unit == to:
        return 1.0, 0.0
    base, factor, offset = _LINEAR.get(unit, ("", 1.0, 0.0))
    to_base, to_factor, to_offset = _LINEAR.get(to, ("?", 1.0, 0.0))
    if base != to_base:
        raise InvalidConfiguration(
            f"unit={unit}",
            f"can't be converted to the task's unit {to}",
            "Declare the unit that the sensor sends, or give the channel scale and offset",
        )
    return factor / to_factor, (offset - to_offset) / to_factor
