"""Tells a reading only if it differs from the one told last, or if nothing was told for long.

This is known as report by exception.
"""


def handle(event):
    """One channel that leaves the band is enough; a slow drift adds up until it does."""
    told = get(event.sensor)
    values = list(event.values)
    if told is not None:
        moved = max(abs(now - before) for now, before in zip(values, told["values"]))
        waited_ns = event.time_ns - told["time_ns"]
        if moved <= settings["band"] and waited_ns < settings["at_least_every_s"] * 10**9:
            return
    emit("changed", {"sensor": event.sensor, "time_ns": event.time_ns, "values": values})
    put(event.sensor, {"time_ns": event.time_ns, "values": values})
