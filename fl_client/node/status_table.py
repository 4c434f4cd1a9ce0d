"""A node's status as a table."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from rich.table import Table
from rich.text import Text

from fl_client.node.status import Status
from fl_common.programs.text import visible

_APART_S = 2.0
_FEW = 8
"""Streams that are shown."""


def status_table(status: Status) -> Table:
    """A table of two columns; problems come first, in red."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(status):
        table.add_row(name, value if isinstance(value, Text) else Text(visible(value)))
    return table


def _rows(status: Status) -> Iterator[tuple[str, Text | str]]:
    if status["running"]:
        up = timedelta(seconds=round(status["up_s"]))
        yield "site", f"{status['name']}, task {status['task']}, running for {up}"
        yield from _health(status["wrong"])
        yield from _clock(status["clock"]["ahead_of_server_s"])
        yield from _transports(status)
        yield from _sensors(status["sensors"])
        readings = status["readings"]
        yield "readings", f"{readings['per_s']:,.0f} a second, {readings['total']:,} since start"
    else:
        yield "site", Text(f"{status['home']}: the node does not run", style="red")
        yield "", "What follows is read from its files. Start it with: fl-client run"
    yield from _messages(status["messages"])
    if status["running"]:
        yield from _shape(status["shape"])
        yield from _windows(status)
    yield from _events(status["events"])
    if status["running"]:
        yield from _functions(status["functions"])
    if (networks := status.get("networks")) is not None:
        yield from _networks(networks)
    if status["model"].get("own", True):
        yield from _model(status["model"])
    yield from _components(status.get("components"))
    yield from _federation(status.get("federation"))
    yield from _ledger(status["ledger"])


def _health(wrong: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, Text | str]]:
    """Each part that does not do what it is for: since when, why, and what to do."""
    if not wrong:
        yield "health", Text("ok", style="green")
    for number, trouble in enumerate(wrong):
        part, cause, remedy = (visible(trouble[name]) for name in ("part", "cause", "remedy"))
        line = Text(f"{part}: {cause}", style="red")
        line.append(f"\nsince {visible(trouble['since'])}. {remedy}.", style="default")
        yield "" if number else "health", line


def _transports(status: Status) -> Iterator[tuple[str, Text | str]]:
    """The transports; the broker, which also takes events, comes first."""
    broker = status["broker"]
    if broker is None:
        yield "broker", "none is configured: predictions and events are not published"
    else:
        yield "broker", f"connected, MQTT {broker['protocol']}" if broker["connected"] else "away"
        if broker["connected"] and broker["most_qos"] < 1:
            yield "", Text("it allows QoS 0 only: what is in flight can be lost", style="yellow")
    for name, state in status["transports"].items():
        if name != "mqtt":
            yield name, state.get("address", "ready") if state["up"] else "away"
        if state["refused"]:
            some = ", ".join(f"{count:,} {reason}" for reason, count in state["refused"].items())
            yield f"{name} refused", Text(some, style="yellow")


def _sensors(sensors: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, Text | str]]:
    """When each was seen last, how fast its readings come, and what is lost."""
    for name, sensor in sensors.items():
        seen_s = sensor["last_seen_s"]
        if seen_s is None:
            line = Text("no message since the start", style="yellow")
        else:
            seen = datetime.fromtimestamp(seen_s, UTC)
            line = Text(
                f"{sensor['readings_per_s']:,.1f} readings a second,"
                f" the last message at {seen:%Y-%m-%d %H:%M:%S} UTC"
            )
        if sensor["lost"]:
            lost = ", ".join(f"{count:,} {visible(why)}" for why, count in sensor["lost"].items())
            line.append(f"; lost: {lost}", style="yellow")
        yield visible(f"sensor {name}"), line


def _messages(messages: dict[str, Any]) -> Iterator[tuple[str, Text | str]]:
    waiting, size = messages["waiting"], messages["waiting_bytes"]
    yield "spool", f"{waiting:,} messages wait ({size / 2**20:,.1f} MiB)"
    lost = sum(messages["lost"].values())
    counts = (
        f"{messages['received']:,} received = {messages['processed']:,} processed"
        f" + {waiting:,} waiting + {lost:,} lost"
    )
    yield "messages", f"{counts}; {messages['duplicates']:,} repeated"
    if messages["reused_ids"]:
        words = f"{messages['reused_ids']:,} with the id of another message; they are kept"
        yield "", Text(words, style="yellow")
    if lost:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in messages["lost"].items())
        yield "lost", Text(reasons, style="yellow")


def _clock(ahead_s: float | None) -> Iterator[tuple[str, Text | str]]:
    """How far the clock is from the server's, where that is more than the network may add."""
    if ahead_s is not None and abs(ahead_s) >= _APART_S:
        side = "ahead of" if ahead_s > 0 else "behind"
        words = f"{timedelta(seconds=round(abs(ahead_s)))} {side} the server's"
        yield "clock", Text(words, style="yellow")


def _shape(shape: dict[str, Any] | None) -> Iterator[tuple[str, Text | str]]:
    """What windows go through before the model, and what became of them."""
    if shape is None:
        return
    which = shape["digest"][:12] if shape["digest"] else "none yet"
    windows = shape["windows"]
    dropped = windows["dropped"]
    yield (
        "shape",
        f"{shape['name']} {which}; {windows['put']:,} windows cut = {windows['made']:,} made"
        f" + {windows['waiting']:,} waiting + {sum(dropped.values()):,} dropped",
    )
    if dropped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items())
        yield "", Text(f"dropped: {reasons}", style="yellow")


def _windows(status: Status) -> Iterator[tuple[str, Text | str]]:
    windows, accuracy = status["windows"], status["accuracy"]
    none_needed = "" if windows["need_labels"] else " (no label is needed)"
    yield "windows", f"{windows['kept']:,} kept, {windows['labelled']:,} labelled{none_needed}"
    judged = accuracy["judged"]
    yield "predictions", f"{status['predictions']:,} since start"
    if judged:
        agree = f"{accuracy['agreeing'] / judged:.1%} of {judged:,} labelled agree"
        yield "", "; ".join([agree, *accuracy["told"]])
    if latest := status["latest_prediction"]:
        yield "", f"the latest: {latest['said']}"
    if streams := status["streams"]["latest"]:
        shown = [f"{name}: {one['said']}" for name, one in sorted(streams.items())[:_FEW]]
        more = f", and {len(streams) - _FEW:,} more" if len(streams) > _FEW else ""
        yield "streams", f"{status['streams']['number']:,}; {'; '.join(shown)}{more}"


def _functions(functions: Mapping[str, Any]) -> Iterator[tuple[str, Text | str]]:
    """What became of their windows, how often each failed, and which are left out."""
    windows = functions["windows"]
    if windows["put"]:
        yield (
            "functions",
            f"{windows['put']:,} windows = {windows['done']:,} shown"
            f" + {windows['waiting']:,} waiting + {sum(windows['dropped'].values()):,} dropped",
        )
        yield from _reasons("", "dropped: ", windows["dropped"])
    if any(functions["failures"].values()):
        failed = ", ".join(f"{n} {count}x" for n, count in functions["failures"].items() if count)
        off = f"; disabled: {', '.join(functions['disabled'])}" if functions["disabled"] else ""
        yield "", Text(f"failed: {failed}{off}", style="yellow")
    if letters := sum(windows.get("letters", {}).values()):
        yield "", Text(f"letters: {letters:,}", style="yellow")
    yield from _reasons("", "letters dropped: ", windows.get("letters_dropped", {}))


def _events(events: dict[str, Any]) -> Iterator[tuple[str, Text | str]]:
    dropped = events["dropped"]
    yield (
        "events",
        f"{events['made']:,} made = {events['published']:,} published"
        f" + {events['waiting']:,} waiting + {sum(dropped.values()):,} dropped",
    )
    yield from _reasons("dropped", "", dropped)


def _reasons(name: str, words: str, dropped: Mapping[str, int]) -> Iterator[tuple[str, Text]]:
    """Why some were dropped, if any."""
    if any(dropped.values()):
        some = ", ".join(f"{count:,} {reason}" for reason, count in dropped.items() if count)
        yield name, Text(f"{words}{some}", style="yellow")


def _model(model: dict[str, Any]) -> Iterator[tuple[str, Text | str]]:
    digest = model["digest"]
    yield "model", digest[:12] if digest else Text("none", style="red")
    if model.get("trouble"):
        yield "", Text(f"{model['wanted'][:12]} is not used: {model['trouble']}", style="yellow")


def _networks(networks: Mapping[str, dict[str, Any]]) -> Iterator[tuple[str, Text | str]]:
    """Which version of each answers, how often it did, and how long that took."""
    for name, one in networks.items():
        if one["digest"] is None:
            yield visible(f"network {name}"), Text(one["trouble"] or "none", style="red")
            continue
        took = "" if one["milliseconds"] is None else f", {one['milliseconds']:.1f} ms each"
        refused = f", {one['refused']:,} refused" if one["refused"] else ""
        words = f"{one['digest'][:12]}; {one['answered']:,} answers{took}{refused}"
        yield visible(f"network {name}"), words


def _components(components: dict[str, Any] | None) -> Iterator[tuple[str, Text | str]]:
    """Which components run, which were rolled back, and why updates stop."""
    if components is None:
        return
    own = {"model": components} if "good" in components else {}
    parts = {**own, **components["networks"], **components["functions"]}
    for number, (name, part) in enumerate(parts.items()):
        yield "" if number else "components", f"{name}: {_versions(part)}"
    if components["trouble"]:
        yield "", Text(f"updates stop: {components['trouble']}", style="yellow")


def _versions(part: dict[str, Any]) -> str:
    words = [f"version {part['trial']['version']} on trial"] if part["trial"] else []
    words += [f"version {version['version']}" for version in part["good"][:1] if not words]
    if part["failed"]:
        failed = part["failed"][-1]
        words.append(f"version {failed['version']} was rolled back ({failed['reason']})")
    if part["waits_for_others"]:
        words.append(f"{part['waits_for_others']} goes to other sites first")
    shadow = part["shadow"]
    if shadow and shadow["running"] and shadow["windows"]:
        agreement = f"{shadow['agreement']:.1%} agreement in {shadow['windows']:,} windows"
        words.append(f"in its shadow {shadow['candidate'][:12]}: {agreement}")
    return "; ".join(words) or "nothing of the repository yet"


def _federation(federation: dict[str, Any] | None) -> Iterator[tuple[str, Text | str]]:
    """Whether the site has a session at its server, and what it answered."""
    if federation is None:
        return
    answers = sum(federation["answers"].values())
    words = f"{answers:,} answers, {federation['updates']:,} of them updates"
    if federation["errors"]:
        words += f", {federation['errors']:,} of them errors"
    joined = "joined" if federation["joined"] else "not joined"
    yield "federation", f"{joined}; {words}"
    for name, what in (("refusals", "refused"), ("shortfalls", "answers without data")):
        if federation[name]:
            some = ", ".join(f"{count:,} {reason}" for reason, count in federation[name].items())
            yield "", Text(f"{what}: {some}", style="yellow")


def _both_units(ledger: dict[str, Any]) -> str:
    per = ledger["epsilon_per"]
    if len(per) < 2 or per["window"] == per["reading"]:
        return ""
    return f": {per['window']:.3f} for a window, {per['reading']:.3f} for a reading"


def _ledger(ledger: dict[str, Any] | None) -> Iterator[tuple[str, Text | str]]:
    if not ledger:
        yield "privacy", "nothing charged"
    elif "trouble" in ledger:
        yield "privacy", Text(ledger["trouble"], style="red")
    else:
        last = datetime.fromtimestamp(ledger["last_charged"], UTC)
        yield (
            "privacy",
            f"epsilon {ledger['epsilon_left']:.3f} left for each {ledger['unit']} of block"
            f" {ledger['block']} ({ledger['epsilon_spent']:.3f} spent{_both_units(ledger)})",
        )
        yield "training", f"{ledger['rounds']} rounds, the last at {last:%Y-%m-%d %H:%M} UTC"
