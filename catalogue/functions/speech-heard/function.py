"""Tells when somebody begins to speak, and when that is over.

It asks the network `speech` about each window, 64 samples of before and 512 new ones of one channel
in parts of full scale. That carries on what it has heard; the box keeps it for each stream.
"""


def ended(speaking, at_ns):
    """Tell that it is over since `at_ns`."""
    seconds = max(0, at_ns - speaking["from_ns"]) / 1e9
    emit("speech-ended", {**speaking, "to_ns": at_ns, "seconds": round(seconds, 3)})


def handle(event):
    """Above one threshold for some windows it begins, below the other for some it ends."""
    if len(event.channels) != 1:
        raise ValueError(f"one channel of sound is heard, and these are {len(event.channels)}")
    sure = infer(event.values, [1, len(event.values)])[0]
    speaking, run = get("speaking"), get("run", 0)
    if event.start_ns > get("last_ns", event.start_ns) + settings["gap_ms"] * 1_000_000:
        run = 0
        if speaking:
            ended(speaking, get("last_ns"))
            speaking = None
    if speaking is None:
        run = run + 1 if sure >= settings["above"] else 0
        if run == 1:
            put("from_ns", event.start_ns)
        if run >= settings["begins_after"]:
            run, speaking = 0, {"from_ns": get("from_ns"), "probability": 0.0, "clipped": 0}
            emit("speech-began", {"from_ns": speaking["from_ns"], "probability": round(sure, 4)})
    if speaking is not None:
        run = run + 1 if sure < settings["below"] else 0
        speaking["probability"] = max(speaking["probability"], round(sure, 4))
        speaking["clipped"] += max(max(event.values), -min(event.values)) >= settings["full"]
        if run >= settings["ends_after"]:
            run = 0
            ended(speaking, event.start_ns)
            speaking = None
    put("speaking", speaking)
    put("run", run)
    put("last_ns", event.start_ns)
