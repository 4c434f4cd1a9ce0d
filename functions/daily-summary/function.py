"""Tells once a day what the model has said: windows of each label, or the mean of each number."""

import datetime

MINUTE_NS = 60 * 10**9


def handle(event):
    """A tick ends a day, too. What belongs to a day that was told already is not counted."""
    time_ns = event.time_ns if event.type == "tick" else event.start_ns
    day = (time_ns + settings["utc_offset_minutes"] * MINUTE_NS) // (24 * 60 * MINUTE_NS)
    kept = get("kept")
    if kept is not None and day > kept["day"]:
        tell(kept)
        kept = None
    if event.type == "tick" or (kept is not None and day < kept["day"]) or day < get("told", day):
        put("kept", kept)
        return
    kept = kept or {"day": day, "windows": 0, "labels": {}, "sums": {}}
    kept["windows"] += 1
    if event.label:
        for label in event.label.split(";"):
            kept["labels"][label] = kept["labels"].get(label, 0) + 1
    else:
        for name, value in zip(event.names, event.values):
            kept["sums"][name] = kept["sums"].get(name, 0.0) + value
    put("kept", kept)


def tell(kept):
    """The summary of a day that is over."""
    date = datetime.date(1970, 1, 1) + datetime.timedelta(days=kept["day"])
    told = {"day": date.isoformat(), "windows": kept["windows"]}
    if kept["labels"]:
        told["labels"] = kept["labels"]
    if kept["sums"]:
        told["means"] = {name: total / kept["windows"] for name, total in kept["sums"].items()}
    emit("daily-summary", told)
    put("told", kept["day"] + 1)
