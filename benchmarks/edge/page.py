"""The edge node's figures as a page."""

from collections.abc import Mapping
from typing import Any

_HEAD = """# The edge node, measured

    make bench-edge

Writes this page. One mosquitto; a sensor that publishes with QoS 1 and hears the predictions; the
node as `fl-client run` starts it (spool, windows of 128 readings each 64, ONNX Runtime, predictions
out), all on the machine's own cores. *Bare* is an aiomqtt subscriber that only counts, on the same
broker. Latency runs from the publishing of a window's last reading to the arrival of its
prediction at the sensor, at half the node's own rate.

"""


def to_markdown(found: Mapping[str, Any]) -> str:
    """The whole page."""
    start = found["start"]
    lines = [
        "| message | bare, per second | node, per second | ratio (at least 0.5) | largest backlog |"
        " p50 | p99 (under 50 ms) | p99 with training beside (at most 2 times) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_row, found["rates"]["forms"]),
        "",
        f"- Start to ready: {start['seconds']:.2f} s (under 3 s).",
        f"- Resident memory, ready: {start['resident'] / 1e6:.0f} MB (under 300 MB).",
    ]
    if burst := found.get("burst"):
        lines += [
            f"- A burst of {burst['messages']} messages: {_became(burst['counts'])};"
            f" {burst['resident'] / 1e6:.0f} MB afterwards.",
        ]
    if day := found.get("day"):
        lines += [
            f"- {day['hours']:g} hours of traffic at {day['speed']} times speed, {day['messages']}"
            f" messages: memory grew by {max(day['growth'], 0):.1%} after the first tenth (under"
            f" 5 %), to {day['resident'] / 1e6:.0f} MB; {_became(day['counts'])}.",
        ]
    if clients := found.get("clients"):
        lines += [_of_clients(clients)]
    if twins := found.get("twins"):
        lines += [
            f"- Two nodes of one identity: told after {twins['told_s']:.1f} s;"
            f" {twins['connections']} connections of both in {twins['seconds']:.0f} s.",
        ]
    lines += ["", "The machine when a part began:", "", *_machines(found)]
    return _HEAD + "\n".join(lines) + "\n"


def _machines(found: Mapping[str, Any]) -> list[str]:
    parts: dict[str, list[str]] = {}
    for part, figures in found.items():
        facts = figures.get("machine", {})
        told = ", ".join(f"{key} {value}" for key, value in facts.items())
        parts.setdefault(told or "not kept", []).append(part)
    return [f"- {', '.join(names)}: {told}." for told, names in parts.items()]


def _of_clients(found: Mapping[str, Any]) -> str:
    calls, refused = found["outcomes"]["OK"], found["outcomes"].get("RESOURCE_EXHAUSTED", 0)
    grown = max(found["grown"], 0) / 1e6
    return (
        f"- {found['clients']} clients of the inference service at once: {calls} calls answered in"
        f" {found['seconds']:.1f} s, p50 {found['p50'] * 1e3:.0f} ms, p99"
        f" {found['p99'] * 1e3:.0f} ms; {refused} told to come again; {grown:.0f} MB more. Beside"
        f" them {found['messages']} messages: {_became(found['counts'])}."
    )


def _became(counts: Mapping[str, Any]) -> str:
    return f"received {counts['received']}, lost {sum(counts['lost'].values())}"


def _row(row: Mapping[str, Any]) -> str:
    alone, beside = row["alone"]["p99"], row["beside"]["p99"]
    return (
        f"| {row['form']} | {row['bare']:.0f} | {row['rate']:.0f} | {row['rate'] / row['bare']:.2f}"
        f" | {row['most_waiting']:.0f} messages | {row['alone']['p50'] * 1e3:.1f} ms"
        f" | {alone * 1e3:.1f} ms | {beside * 1e3:.1f} ms, {beside / alone:.1f} times |"
    )
