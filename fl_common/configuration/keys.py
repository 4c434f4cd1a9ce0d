"""The keys of a configuration: what nothing reads is refused, a former name with the new one."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

from fl_common.configuration.rules import SECTION, require
from fl_common.errors import InvalidConfiguration

_NOW = {"strategy.largest_update_norm": "strategy.cut_outliers"}
"""Former names of values, and those that took their place."""
_LENIENT = "privacy."
"""The part in which an option is given values of another: see ``all_read``."""


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


def check_added(
    overrides: Sequence[str], chosen_by: Callable[[Sequence[str]], Mapping[str, Any]]
) -> None:
    """Refuse ``+privacy.epsilon=1`` where the chosen option reads no such value: ``privacy=none``.

    What an experiment sets may be left unread by another option; what a person adds may not.
    ``chosen_by`` gives the values of the options that overrides choose.

    Raises:
        InvalidConfiguration: for the first such override.
    """
    added = [text.lstrip("+").partition("=")[0] for text in overrides if text.startswith("+")]
    names = [name.removeprefix(_LENIENT) for name in added if name.startswith(_LENIENT)]
    if names:
        known = chosen_by([text for text in overrides if not text.startswith("+")])
        given = [name.partition(".")[0] for name in names]
        check_known(_LENIENT, given, known.get(_LENIENT.rstrip("."), given))


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
    """The known name that was meant, by its last part: the same, then one like it, first beside."""
    place, _, own = name.rpartition(".")
    beside = {one.rpartition(".")[2]: one for one in known if one.rpartition(".")[0] == place}
    by_depth = sorted(known, key=lambda one: (one.count("."), one), reverse=True)
    elsewhere = {one.rpartition(".")[2]: one for one in by_depth}
    for names, likeness in ((beside, 1.0), (elsewhere, 1.0), (beside, 0.6), (elsewhere, 0.8)):
        if found := get_close_matches(own, names, 1, likeness):
            return names[found[0]]
    return None


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
