"""Tells when a sensor's place enters a circle, and when it leaves it.

The first two channels are latitude and longitude in degrees. A place in the margin beyond the
circle counts as where it was before, so that one that lies on the line is told once.
"""

import math

EARTH_METRES = 6_371_008.8


def handle(event):
    """A place that can't be, such as a latitude of 91, is an error."""
    latitude, longitude = event.values[:2]
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        raise ValueError(f"latitude {latitude}, longitude {longitude} is no place")
    metres = distance(latitude, longitude)
    inside = get(event.sensor)
    limit = settings["metres"] + (settings["margin_metres"] if inside else 0)
    now = metres <= limit
    if now != inside and (now or inside is not None):
        told = {"sensor": event.sensor, "metres": metres, "time_ns": event.time_ns}
        emit("entered" if now else "left", told)
    put(event.sensor, now)


def distance(latitude, longitude):
    """Metres to the middle of the circle, on a sphere (haversine formula)."""
    here, there = math.radians(latitude), math.radians(settings["latitude"])
    across = math.radians(longitude - settings["longitude"])
    half = math.sin((here - there) / 2) ** 2
    half += math.cos(here) * math.cos(there) * math.sin(across / 2) ** 2
    return 2 * EARTH_METRES * math.asin(math.sqrt(min(1.0, half)))
