"""Tells of a sensor that has said the same for too long, or nothing, and when it is well again."""


def handle(event):
    """A tick is how silence is noticed: no reading comes to tell of it."""
    sensors = get("sensors", {})
    if event.type == "reading":
        sensors[event.sensor] = heard(event, sensors.get(event.sensor))
    else:
        for name, sensor in sensors.items():
            silent = event.time_ns - sensor["heard_ns"] >= settings["silent_s"] * 10**9
            if silent and sensor["is"] != "silent":
                sensor["is"] = "silent"
                emit("sensor-silent", {"sensor": name, "since_ns": sensor["heard_ns"]})
    put("sensors", sensors)


def heard(event, before):
    """What is known of the sensor after a reading; one with an older time changes nothing."""
    values = list(event.values)
    if before is None:
        return {
            "values": values,
            "since_ns": event.time_ns,
            "heard_ns": event.time_ns,
            "is": "well",
        }
    if event.time_ns <= before["heard_ns"]:
        return before
    same = values == before["values"]
    since_ns = before["since_ns"] if same else event.time_ns
    stuck = event.time_ns - since_ns >= settings["stuck_s"] * 10**9
    now = "stuck" if stuck else "well"
    if now != before["is"]:
        emit("sensor-" + now, {"sensor": event.sensor, "since_ns": since_ns})
    return {"values": values, "since_ns": since_ns, "heard_ns": event.time_ns, "is": now}
