"""What decides the result of a run, by key: kept when it begins, compared when it goes on."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fl_common.errors import InvalidConfiguration

Settings = Mapping[str, Any]
"""JSON values by key, such as ``training.learning_rate``; no value is a mapping."""

DATA = "data"
"""The key of the data's content, as a digest."""
VERSION = "version"
"""The key of the versions of packages, which are below it."""
NETWORK, PLAN = "network", "plan"
"""Keys of what follows from the others: named only where these are the same."""
_MOST_NAMED = 5
_MOST_CHARACTERS = 60


class Difference(NamedTuple):
    """A key whose value is ``now`` another than it was ``then``; None: it had none."""

    key: str
    then: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.key}={_shown(self.now)} (it began with {_shown(self.then)})"


def flat(values: Mapping[Any, Any], place: str = "") -> dict[str, Any]:
    """``values`` with the keys of inner mappings joined by dots, as JSON values."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{place}{name}.")
        else:
            found[f"{place}{name}"] = json.loads(json.dumps(value, default=str))
    return found


def digest_of(settings: Settings) -> str:
    """Hex sha256 of the settings' canonical JSON."""
    text = json.dumps(dict(settings), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def differences(then: Settings, now: Settings) -> list[Difference]:
    """Keys whose values differ, in their order; a key that is missing is the same as null."""
    both = (Difference(key, then.get(key), now.get(key)) for key in {**then, **now})
    found = [one for one in both if one.then != one.now]
    return [one for one in found if one.key not in (NETWORK, PLAN)] or found


def check_same(run: str, then: Settings, now: Settings) -> None:
    """Raise unless a run that began with ``then`` goes on with the same.

    ``run`` says how the run is called in the message.

    Raises:
        InvalidConfiguration: with each key that differs, and its values then and now.
    """
    if not (differing := differences(then, now)):
        return
    named = ", ".join(map(str, differing[:_MOST_NAMED]))
    more = f" and {len(differing) - _MOST_NAMED} more" if len(differing) > _MOST_NAMED else ""
    raise InvalidConfiguration(
        f"{run} with {named}{more}",
        "would end with a result that is neither the old settings' nor the new ones'",
        f"{' '.join(_remedies(differing))} or begin a new run",
    )


def _remedies(differing: list[Difference]) -> Iterator[str]:
    keys = {one.key.partition(".")[0] for one in differing}
    if DATA in keys:
        yield "Put the data back as they were,"
    if VERSION in keys:
        yield "Install the versions that it began with,"
    if keys - {DATA, VERSION}:
        yield "Give it the values that it began with,"


def _shown(value: Any) -> str:
    text = "null" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
