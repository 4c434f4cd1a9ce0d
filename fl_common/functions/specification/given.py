"""What both formats of ``function.json`` have alike: what a function is given, and whom it asks."""

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from fl_common.errors import InvalidData
from fl_common.functions.events import EVENTS
from fl_common.functions.found import plain

_MOST_ON, _LONGEST_OF = 16, 200
"""Each event of a box is compared with all of them."""
_MOST_ASKED = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""The name of a component."""


def asked_in(fields: Mapping[str, Any], *, many: bool) -> tuple[str, ...]:
    """The networks under ``asks``: a list of them if there may be ``many``, else one name."""
    if "asks" not in fields:
        return ()
    given = fields["asks"]
    names = given if many and isinstance(given, list) else [given]
    fit = all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
    if not fit or not 0 < len(names) <= _MOST_ASKED or len({*names}) < len(names):
        many_words = f"must be a list of networks' names, each once, {_MOST_ASKED} at most"
        refuse("asks", given, many_words if many else "must be the name of a network",
               'Give such as ["speech"]' if many else 'Give such as "speech"')  # fmt: skip
    return tuple(names)


def given_on(value: Any, world: str) -> tuple[tuple[str, str], ...]:
    """The kinds of events in ``on`` of a function.json. Raises InvalidData."""
    allowed = ("window",) if world == "shape" else EVENTS
    fit = isinstance(value, list) and value and all(
        isinstance(one, dict) and len(one) == 1 and set(one) <= {*allowed}
        and all(isinstance(of, str) and of for of in one.values())
        for one in value
    )  # fmt: skip
    if not fit:
        refuse("on", value, f"must be a list of objects of {', '.join(allowed)}",
               'Give such as [{"prediction": "wearables"}]: the task\'s name, or "*"')  # fmt: skip
    on = tuple(next(iter(one.items())) for one in value)
    if len(on) > _MOST_ON or len({*on}) < len(on) or any(len(of) > _LONGEST_OF for _, of in on):
        refuse("on", f"{len(on)} kinds of events",
               f"must be {_MOST_ON} at most, each once, of at most {_LONGEST_OF} characters",
               "Take some out, or publish two functions")  # fmt: skip
    for kind, of in on:
        _check_of(kind, of)
    return on


def _check_of(kind: str, of: str) -> None:
    if kind == "happening" and of.partition("/")[0] in ("*", ""):
        refuse("on", {kind: of}, "must name the function whose events it takes",
               'Give such as {"happening": "threshold-alarm/alarm-raised"}')  # fmt: skip
    if kind == "tick" and of != "*" and not (of.isdecimal() and 1 <= len(of) <= 6 and int(of)):
        refuse("on", {kind: of}, "must be whole seconds, or * for a minute",
               'Give such as {"tick": "600"}')  # fmt: skip


def refuse(name: str, value: Any, rule: str, remedy: str) -> NoReturn:
    """Refuse what function.json has under ``name``. Raises InvalidData."""
    shown = value if isinstance(value, str) else json.dumps(value, default=str)
    what = f"function.json: {name}={plain(shown, 100)}" if name and shown else ""
    raise InvalidData(what or f"function.json: {plain(name or shown, 200)}", rule, remedy)
