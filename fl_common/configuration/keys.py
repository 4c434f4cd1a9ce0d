"""The keys of a configuration: what nothing reads is refused, a former name with the new one."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from fl_common.configuration.rules import SECTION, require
from fl_common.errors import InvalidConfiguration

_NOW = {"strategy.largest_update_norm": "strategy.cut_outliers"}
"""Former names of values, and those that took their place."""


def check_keys(values: Mapping[Any, Any], known: Any, parts: Sequence[str]) -> None:
    """Refuse keys that are not in ``known``, and missing ones, in ``values`` and its ``parts``.

    ``parts`` are the sections without a constructor, which would refuse unknown keys by itself.

    Raises:
        InvalidConfiguration: for the first such key.
    """
    for place, given, allowed in (
        ("", values, known),
        *((f"{name}.", values.get(name), known[name]) for name in parts),
    ):
        require(place.rstrip("."), given or {}, SECTION)
        check_known(place, given or (), allowed)
        if missing := sorted(set(allowed) - set(given or ())):
            raise InvalidConfiguration(
                f"configuration key {place}{missing[0]}",
                "is missing",
                f"The known keys are {', '.join(sorted(allowed))}",
            )


def check_known(place: str, given: Collection[Any], known: Collection[str]) -> None:
    """Refuse ``given`` keys that are not ``known`` at ``place``, such as ``privacy.``.

    Raises:
        InvalidConfiguration: for the first such key, with the nearest known one.
    """
    for name in sorted(map(str, set(given) - set(known))):
        check_names([place + name])
        raise InvalidConfiguration(
            f"configuration key {place}{name}",
            "is not known",
            f"{question(name, known, place)}The known keys are {', '.join(sorted(known))}",
        )


@contextmanager
def all_read(
    place: str, node: Mapping[str, Any], others: Collection[str] = ()
) -> Iterator[Mapping[str, Any]]:
    """``node``, of which every key must have been read in the end: one that nothing reads is wrong.

    ``others`` may be left unread: another option of the group reads them.

    Raises:
        InvalidConfiguration: for the first key that was not, with the nearest that was.
    """
    read = _Read(node)
    yield read
    check_known(f"{place}.", node, {*read.names, *others})


class _Read(Mapping[str, Any]):
    """A mapping that remembers which names were asked for."""

    def __init__(self, node: Mapping[str, Any]) -> None:
        self._node, self.names = node, set[str]()

    def __getitem__(self, name: str) -> Any:
        self.names.add(name)
        return self._node[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._node)

    def __len__(self) -> int:
        return len(self._node)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that was meant: one that is like it, or whose last part is; None: none is."""
    last = {one.rpartition(".")[2]: one for one in sorted(known, reverse=True)}
    whole = get_close_matches(name, known, 1)
    part = get_close_matches(name.rpartition(".")[2], last, 1)
    return whole[0] if whole else last[part[0]] if part else None


def question(name: str, known: Collection[str], place: str = "") -> str:
    """``Did you mean privacy.epsilon? ``, where a known name is near; else nothing."""
    found = nearest(name, known)
    return f"Did you mean {place}{found}? " if found else ""


def check_names(overrides: Sequence[str]) -> None:
    """Refuse ``overrides`` of a value by its former name.

    Raises:
        InvalidConfiguration: with the name that took its place.
    """
    for override in overrides:
        name = override.partition("=")[0].lstrip("+~")
        if name in _NOW:
            raise InvalidConfiguration(name, "is no longer a value", f"Set {_NOW[name]} instead")
