"""The deployment's figures as a page."""

from collections.abc import Mapping
from typing import Any

_HEAD = """# A federation on real processes, measured

    make bench-deploy

Writes this page. Three sites on this machine behind one SuperLink, with TLS and node
authentication. *Stock* are Flower's own SuperNodes, which start a process for each message; *ours*
are this project's links with their resident trainers, at the pace of an edge box as shipped. Both
answer the same message (one array of 8,000 values) with the same app, which imports torch and
Opacus and returns what it got, so that all of a round is overhead.

"""


def to_markdown(found: Mapping[str, Any]) -> str:
    """The whole page."""
    lines = [line for part, told in _TOLD.items() if part in found for line in told(found[part])]
    told = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    return _HEAD + "\n".join(lines) + f"\n\nMachine: {told}.\n"


def _overhead(found: Mapping[str, Any]) -> list[str]:
    ours, stock = found["ours_s"], found["stock_s"]
    return [
        f"- A round of {found['sites']} sites, median of {found['rounds']}: ours {ours:.2f} s,"
        f" stock {stock:.2f} s: 1/{stock / ours:.1f} (asked: at most 1/6).",
        f"- Processes that imported torch in these {found['rounds']} rounds and a warm-up, ours:"
        f" {found['imports_of_torch']}, one for each site; stock: one for each message.",
    ]


def _resume(found: Mapping[str, Any]) -> list[str]:
    order = "no round was left out or asked twice, but the interrupted one"
    return [
        f"- From the ServerApp's end by SIGKILL to the first site being asked for the next round,"
        f" under `fl-server`: {found['seconds']:.1f} s in the median of {found['kills']}, at most"
        f" {found['most_s']:.1f} s (asked: under 15 s and Flower's heartbeat);"
        f" {order if found['rounds_in_order'] else 'ROUNDS WERE LEFT OUT OR ASKED TWICE'}."
    ]


def _idle(found: Mapping[str, float]) -> list[str]:
    return [
        f"- Memory of a site's part in a federation beside sensing while there is nothing to train:"
        f" {found['idle'] / 1e6:.0f} MB (asked: under 150 MB); with the trainer"
        f" {found['at_work'] / 1e6:.0f} MB. Resident bytes of `fl-client join` and its children,"
        " shared libraries counted in each, after the trainer has worked and rests."
    ]


_TOLD = {"overhead": _overhead, "resume": _resume, "idle": _idle}
