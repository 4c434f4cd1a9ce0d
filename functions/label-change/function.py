"""Tells a new label once it has been the most probable one for some windows in a row."""


def handle(event):
    """The first label is a change from null; a single stray window changes nothing."""
    stands, candidate = get("stands"), get("candidate")
    seen, since_ns = get("seen", 0), get("since_ns", 0)
    if event.label != candidate:
        candidate, seen, since_ns = event.label, 0, event.start_ns
    seen += 1
    if candidate != stands and seen >= settings["windows"]:
        emit("label-change", {"from": stands, "to": candidate, "since_ns": since_ns})
        stands = candidate
    put("stands", stands)
    put("candidate", candidate)
    put("seen", min(seen, settings["windows"]))
    put("since_ns", since_ns)
