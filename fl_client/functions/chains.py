"""Chains of functions: one that takes the events of another."""

from collections.abc import Collection, Mapping

from fl_common.errors import InvalidData

MOST_LINKS = 4


def check_chains(heard: Mapping[str, Collection[str]]) -> None:
    """Raise InvalidData unless chains end; ``heard`` are by function those that it hears."""
    for name in heard:
        _follow((name,), heard)


def unheard(
    heard: Mapping[str, Collection[str]], left_out: Collection[str] = ()
) -> dict[str, list[str]]:
    """Functions that hear others which are not there, or ``left_out``, with the names of those."""
    there = heard.keys() - {*left_out}
    missing = {name: sorted({*others} - there) for name, others in heard.items()}
    return {name: others for name, others in missing.items() if others}


def _follow(links: tuple[str, ...], heard: Mapping[str, Collection[str]]) -> None:
    for other in sorted(heard.get(links[-1], ())):
        chain = " < ".join((*links, other))
        if other in links:
            raise InvalidData(
                f"the functions {chain}",
                "hear each other in a circle, and one event would never end",
                "Let one of them take something else",
            )
        if len(links) >= MOST_LINKS:
            raise InvalidData(
                f"the functions {chain}",
                f"are a chain of more than {MOST_LINKS}",
                "Join two of them into one",
            )
        _follow((*links, other), heard)
