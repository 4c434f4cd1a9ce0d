"""Tells when a channel leaves the range in which it should be, and when it is well inside again."""


def handle(event):
    """It is inside again only when it is so by a margin: one that lies on a limit is told once."""
    value = event.values[settings["channel"]]
    outside = get(event.sensor, False)
    margin = settings["margin"] if outside else 0
    now = not settings["low"] + margin <= value <= settings["high"] - margin
    if now != outside:
        told = {"sensor": event.sensor, "value": value, "time_ns": event.time_ns}
        emit("out-of-range" if now else "in-range", told)
    put(event.sensor, now)
