"""Raises an alarm when an answer has been high for some windows in a row, and clears it again.

`name` is the label whose probability counts; of numbers it is `value`, of anomalies `score`.
Between `below` and `above` nothing changes: an answer that swings around one limit raises one
alarm.
"""


def handle(event):
    """An answer without `name` is an error: no alarm could ever come, and nobody would know."""
    if settings["below"] > settings["above"]:
        raise ValueError("below must be at most above")
    value = dict(zip(event.names, event.values))[settings["name"]]
    raised, seen = get("raised", False), get("seen", 0)
    turns = value < settings["below"] if raised else value >= settings["above"]
    seen = seen + 1 if turns else 0
    if seen >= settings["windows"]:
        raised, seen = not raised, 0
        kind = "alarm-raised" if raised else "alarm-cleared"
        emit(kind, {"name": settings["name"], "value": value})
    put("raised", raised)
    put("seen", seen)
