"""``fl-fn new``: the folder of a new function, from a template."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console

from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import write_whole
from fl_common.functions.specification import FUNCTION_FILE

CASES = "cases.jsonl"
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LIMITS = {
    "fuel": 50_000_000, "memory_mb": 64, "milliseconds": 200, "events": 16,
    "event_bytes": 65_536, "state_bytes": 65_536, "host_calls": 1000,
}  # fmt: skip
_ALARM = {"type": "object", "required": ["label"], "properties": {"label": {"type": "string"}}}
_ANY = {"type": "object"}
_MANNERS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "prediction": ({"windows": 3}, {"alarm-raised": _ALARM, "alarm-cleared": _ALARM}),
    "window": ({"above": 1.5}, {"peak": _ANY}),
    "reading": ({"readings": 5}, {"stuck": _ANY}),
    "tick": ({}, {"new-day": _ANY}),
    "happening": ({"times": 3}, {"escalated": _ANY}),
}
"""The settings and the events of each template."""
_LANGUAGES: Mapping[str, tuple[Mapping[str, str], str]] = {
    "python": ({"form": "python", "file": "function.py"}, "py"),
    "javascript": ({"form": "wasm", "file": "function.wasm"}, "js"),
    "c": ({"form": "wasm", "file": "function.wasm"}, "c"),
}
"""The form and the file of function.json, and the ending of the source."""
_COMMON = "COMMON\n"
_SECOND_NS = 10**9
_Case = Mapping[str, Any]


def make(folder: Path, on: str, task: str, language: str) -> None:
    """Make ``folder`` with a function in ``language`` that is given what ``on`` names, of ``task``.

    Raises:
        InvalidConfiguration: a name that can't be one, a folder that is there, or no template.
    """
    form, ending = _LANGUAGES[language]
    if not _NAME.fullmatch(folder.name):
        _refuse(f"fl-fn new {folder.name}", "must be lower-case letters, digits and -", "Rename it")
    if folder.exists():
        _refuse(f"{folder}", "is there already", "Give another name, or take it away")
    labels = _labels(task) if on in ("prediction", "window") else ()
    contents = {
        f"function.{ending}": _source(on, ending),
        FUNCTION_FILE: _written(_description(on, task, labels, language)),
        CASES: "".join(json.dumps(case) + "\n" for case in _cases(on, labels)),
    }
    folder.mkdir(parents=True)
    for name, content in contents.items():
        write_whole(folder / name, content.encode())
    _say(folder, contents, "build" if form["form"] == "wasm" else "test")
    if on == "prediction" and not labels:
        _say_labels(folder, task)


def _source(on: str, ending: str) -> str:
    """The template's text; in C with what all have in common, since it needs no library."""
    templates = files("simulate.functions") / "templates"
    text = (templates / f"{on}.{ending}.txt").read_text("utf-8")
    if _COMMON not in text:
        return text
    return text.replace(_COMMON, (templates / f"common.{ending}.txt").read_text("utf-8"))


def _labels(task: str) -> Sequence[str]:
    """Those of a shipped task; none are known of another."""
    from models import tasks

    named = getattr(tasks, task, None) if task in ("wearables", "activity", "digits") else None
    return () if named is None else tuple(named().labels)


def _description(on: str, task: str, labels: Sequence[str], language: str) -> dict[str, Any]:
    of = {"prediction": task, "window": task, "happening": "fall-alarm"}.get(on, "*")
    settings, emits = _MANNERS[on]
    if on == "prediction":
        settings = {"label": labels[-1] if labels else "walk", **settings}
    logs = ["log"] if on == "prediction" or language == "javascript" else []
    return {
        "format": 2,
        **_LANGUAGES[language][0],
        "interface": "jointhedots:function@1.0",
        "world": "rule",
        "on": [{on: of}],
        "labels": list(labels) if on == "prediction" else [],
        "needs": ["emit", "state", *logs],
        "emits": emits,
        "settings": settings,
        "state_version": 1,
        "limits": _LIMITS,
        "on_failure": {"disable_after": {"failures": 10, "of_last": 100}},
    }


def _cases(on: str, labels: Sequence[str]) -> Sequence[_Case]:
    """What the template finds, as a person would have written it down."""
    if on == "prediction":
        return _predictions(labels or ("rest", "walk"))
    if on == "window":
        peak = {"kind": "peak", "data": {"channel": "acc_x", "value": 2.0}}
        times = {"start_ns": 0, "end_ns": 2 * _SECOND_NS, "channels": ["acc_x", "acc_y"]}
        windows = [[0.0, 1.0, 0.5, 1.0], [0.5, 1.0, 2.0, 1.0], [2.0, 1.0, 1.8, 1.0]]
        found: Sequence[list[Any]] = ([], [peak], [])
        return [
            {"given": {"window": {**times, "values": values}}, "expect": expected}
            for values, expected in zip(windows, found, strict=True)
        ]
    if on == "reading":
        stuck = {"kind": "stuck", "data": {"sensor": "door", "readings": 5}}
        return [
            {"given": {"reading": {"sensor": "door", "time_ns": n * _SECOND_NS, "values": [21.5]}},
             "expect": [stuck] if n == 4 else []}
            for n in range(6)
        ]  # fmt: skip
    if on == "tick":
        day, told = 86_400 * _SECOND_NS, {"kind": "new-day", "data": {"day": 1}}
        return [
            {"given": {"tick": {"time_ns": time}}, "expect": expected}
            for time, expected in ((0, []), (day - 1, []), (day, [told]), (day + 1, []))
        ]
    alarm = {"start_ns": 0, "end_ns": 1, "function": "fall-alarm", "kind": "alarm-raised"}
    told = {"kind": "escalated", "data": {"function": "fall-alarm", "times": 3}}
    return [
        {"given": {"happening": {**alarm, "data": "{}"}}, "expect": [told] if n == 2 else []}
        for n in range(4)
    ]


def _predictions(labels: Sequence[str]) -> Sequence[_Case]:
    """The last label stands from the third window on; the first one again later."""
    last, cases = len(labels) - 1, []
    for number, label in enumerate([0, last, last, last, last, 0, 0, 0]):
        sure = [0.9 if place == label else 0.1 / last for place in range(len(labels))]
        times = {"start_ns": number * _SECOND_NS, "end_ns": (number + 1) * _SECOND_NS}
        kind = {3: "alarm-raised", 7: "alarm-cleared"}.get(number)
        expected = [{"kind": kind, "data": {"label": labels[last]}}] if kind else []
        values = [round(value, 3) for value in sure]
        given = {"prediction": {**times, "names": list(labels), "values": values}}
        cases.append({"given": given, "expect": expected})
    return cases


def _written(description: Mapping[str, Any]) -> str:
    """JSON with a line for each field, and for each limit."""
    lines = [f"  {json.dumps(name)}: {_value(name, value)}" for name, value in description.items()]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _value(name: str, value: Any) -> str:
    if name not in ("limits", "emits"):
        return json.dumps(value)
    inside = [f"    {json.dumps(key)}: {json.dumps(one)}" for key, one in value.items()]
    return "{\n" + ",\n".join(inside) + "\n  }"


def _say(folder: Path, contents: Mapping[str, str], then: str) -> None:
    output = Console(highlight=False, markup=False, soft_wrap=True)
    for name in contents:
        output.print(f"{folder / name}")
    output.print(f"next: fl-fn {then} {folder}")


def _say_labels(folder: Path, task: str) -> None:
    words = f"no shipped task is called {task}: its labels are not known here, and walk is one to"
    where = f"replace in {folder / FUNCTION_FILE} and {folder / CASES}"
    Console(highlight=False, markup=False, soft_wrap=True).print(f"note: {words} {where}")


def _refuse(what: str, rule: str, remedy: str) -> None:
    raise InvalidConfiguration(what, rule, remedy)
