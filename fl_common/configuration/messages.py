"""What Hydra says of an override, in one line and with what was meant."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from fl_common.configuration.keys import nearest
from fl_common.configuration.rules import SECTION
from fl_common.configuration.settings import flat

_NO_KEY = re.compile(r"Could not override '([^']+)'")
_MIXED = re.compile(r"Cannot merge \w+ with \w+ full_key: (\S+) object_type=(list|dict)")
_ADVICE = re.compile(r"\.? ?To append to your config use \S+|Config search path:.*")
"""Hydra's advice on an unknown key, which would keep the typo; and our own folders."""


def words_of(error: Exception, known: Mapping[str, Any]) -> str:
    """Hydra's message in one line, with what was meant by a key that is not ``known``."""
    lines = f"{error}\n{error.__cause__ or ''}".splitlines()
    words = _ADVICE.sub("", " ".join(_unlike(line.strip() for line in lines)))
    if found := _NO_KEY.search(words):
        names = [n for n in flat(known) if not (n.endswith("._target_") or n.startswith("hydra."))]
        meant = nearest(found[1], names)
        if meant == found[1]:
            return f"{meant} is no value of the option that is chosen"
        return f"{found[1]} is no value of the configuration" + (
            f", but {meant} is" if meant else ""
        )
    if found := _MIXED.search(words):
        return f"{found[1]} {'must be a list' if found[2] == 'list' else SECTION.text}"
    return words.rstrip(" .")


def _unlike(lines: Iterator[str]) -> Iterator[str]:
    """The lines that say something new."""
    said = ""
    for line in lines:
        if line and line not in said:
            said += f"{line}\n"
            yield line
