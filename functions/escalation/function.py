"""Tells an alarm again, louder, when nobody has cleared it for some time."""


def handle(event):
    """Once for each alarm: the next one begins anew."""
    if event.type == "happening":
        if event.kind == "alarm-raised":
            put(event.function, {"since_ns": event.start_ns, "told": False})
            put("functions", sorted({*get("functions", []), event.function}))
        else:
            drop(event.function)
        return
    for function in get("functions", []):
        alarm = get(function)
        seconds = 0 if alarm is None else (event.time_ns - alarm["since_ns"]) / 1e9
        if alarm is not None and not alarm["told"] and seconds >= settings["seconds"]:
            since_ns = alarm["since_ns"]
            emit("escalated", {"function": function, "since_ns": since_ns, "seconds": seconds})
            put(function, {"since_ns": since_ns, "told": True})
