"""``fl-server runs``: the runs of a server, begun, stopped and looked at by its operator."""

import json
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fl_common.configuration.rules import Config, require
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.programs.confinement import private_folder
from fl_server.cloud.build import home_of, read_config
from fl_server.cloud.home import CloudHome
from fl_server.cloud.planning import check_run
from fl_server.cloud.runs.queue import NAME, RunQueue, RunRequest, Wish
from fl_server.cloud.upkeep import newest_round
from fl_server.rounds.checkpoint import load_latest

_OF_THE_SERVER = (
    "certificate", "certificate_days", "hosts", "key", "largest_message_bytes", "listen",
    "log_level", "restart", "run", "superlink", "superlink_port",
)  # fmt: skip
"""Keys that no run has a value of its own for."""
_STOP_S = 60.0
_POLL_S = 0.2
_TOLD = ("round", "seconds", "updates", "asked", "late", "epsilon", "on_sites")


def rows(config: Config) -> list[dict[str, Any]]:
    """Every run in the order of the queue, as JSON values."""
    home = home_of(config)
    queue, now = _queue(home), _carried_out(home)
    return [_row(home, queue, request, now) for request in queue.all()]


def shown(config: Config, name: str) -> dict[str, Any]:
    """What is known of a run: its row, the settings that it began with, and its rounds.

    Raises:
        InvalidConfiguration: there is no such run.
    """
    require("run", name, NAME)
    home = home_of(config)
    queue = _queue(home)
    found = next((one for one in queue.all() if one.name == name), None)
    if found is None:
        raise InvalidConfiguration(f"run {name}", "is unknown here", "See: fl-server runs list")
    kept = load_latest(queue.folder(name) / "checkpoints")
    history = [{key: row.get(key) for key in _TOLD} for row in kept.history] if kept else []
    settings = _json(queue.folder(name) / "settings.json")
    return {
        **_row(home, queue, found, _carried_out(home)),
        "settings": settings,
        "history": history,
    }


def start(file: Path | None, config: Config, name: str, overrides: Sequence[str]) -> str:
    """Put a run into the queue, with ``overrides`` of the server's values; says what comes next.

    One that was stopped goes on, with the overrides that it had if none are given.

    Raises:
        InvalidConfiguration: a value that breaks a rule, or another than the run began with.
    """
    require("run", name, NAME)
    home = home_of(config)
    queue = _queue(home)
    own = [one for one in overrides if not one.startswith("home=")]
    for one in own:
        if one.partition("=")[0].partition(".")[0] in _OF_THE_SERVER:
            remedy = "Give it to fl-server start, or leave it out"
            raise InvalidConfiguration(
                one, "is the server's own, and the same for all runs", remedy
            )
    known = queue.get(name)
    of_run = own or list(known.overrides if known else ())
    check_run(read_config(file, [*of_run, *_home(config), f"run={name}"]))
    private_folder(home.folder, "home")
    request = queue.put(name, of_run)
    ahead = [one.name for one in queue.all() if _waits(queue, one) and one.number < request.number]
    if not _is_running(home):
        return f"{name} waits for the server: fl-server start"
    return f"{name} waits for {', '.join(ahead)}" if ahead else f"{name} begins"


def stop(config: Config, name: str) -> str:
    """Take a run from the queue, and wait until its process has ended.

    Raises:
        InvalidConfiguration: it is not in the queue.
        RunFailed: the server does not end its process.
    """
    require("run", name, NAME)
    home = home_of(config)
    _queue(home).stop(name)
    end = time.monotonic() + _STOP_S
    while _carried_out(home) == name:
        if time.monotonic() > end:
            raise RunFailed(f"run {name} is out of the queue, and its process has not ended yet")
        time.sleep(_POLL_S)
    return f"{name} is stopped; fl-server runs start {name} goes on after its newest round"


def _row(home: CloudHome, queue: RunQueue, request: RunRequest, now: str | None) -> dict[str, Any]:
    newest = newest_round(home, request.name) or {}
    return {
        "run": request.name,
        "state": _state(queue, request, now),
        "round": newest.get("round", 0),
        "rounds": newest.get("rounds"),
        "epsilon": newest.get("epsilon"),
        "epsilon_limit": newest.get("epsilon_limit"),
        "asked": datetime.fromtimestamp(request.asked, UTC).isoformat(timespec="seconds"),
        "overrides": list(request.overrides),
        "why": request.why,
    }


def _state(queue: RunQueue, request: RunRequest, now: str | None) -> str:
    """In a word; ``now`` is the run that is carried out."""
    if queue.is_done(request.name):
        return "complete"
    if now == request.name:
        return "running"
    words = {Wish.CARRY_OUT: "waiting", Wish.STOP: "stopped", Wish.REFUSED: "refused"}
    return words[request.wish]


def _waits(queue: RunQueue, request: RunRequest) -> bool:
    return request.wish is Wish.CARRY_OUT and not queue.is_done(request.name)


def _carried_out(home: CloudHome) -> str | None:
    """The run whose process runs, as the server wrote it last; None: none does."""
    if not _is_running(home):
        return None
    status = home.read_status()
    runner = status["children"].get("runner")
    return status["run"] if runner and runner["pid"] is not None else None


def _is_running(home: CloudHome) -> bool:
    return home.status.is_file() and bool(home.read_status()["running"])


def _home(config: Config) -> Iterator[str]:
    from fl_common.configuration.overrides import quoted

    yield f"home={quoted(str(home_of(config).folder))}"


def _queue(home: CloudHome) -> RunQueue:
    return RunQueue(home.runs, time.time)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
