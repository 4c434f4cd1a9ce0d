"""Tells when a channel begins to change fast, and when it no longer does.

The rate is that over the last `seconds`, so that noise of single readings is no change.
"""

MOST = 64


def handle(event):
    """At most `MOST` readings are remembered, however many come. Late ones are left out."""
    channel, seconds = settings["channel"], settings["seconds"]
    kept, fast = get(event.sensor, [[], False])
    if kept and event.time_ns <= kept[-1][0]:
        return
    oldest_ns = event.time_ns - int(seconds * 1e9)
    kept = [one for one in kept if one[0] >= oldest_ns]
    if not kept or event.time_ns - kept[-1][0] >= seconds * 1e9 / MOST:
        kept.append([event.time_ns, event.values[channel]])
    spanned = (event.time_ns - kept[0][0]) / 1e9
    if spanned >= seconds / 2:
        rate = (event.values[channel] - kept[0][1]) / spanned
        if (abs(rate) >= settings["per_second"]) != fast:
            fast = not fast
            told = {"sensor": event.sensor, "channel": channel, "per_second": rate}
            emit("change-fast" if fast else "change-slow", told)
    put(event.sensor, [kept, fast])
