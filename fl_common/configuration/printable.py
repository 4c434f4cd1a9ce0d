"""Texts that people compare by eye: topics, labels and names must not hide a character.

A space that is not the ASCII one, a joiner of no width, a mark that turns the direction, or a
control character looks like another character or like none, so that two texts that look alike
differ. One rule for all: such a text is refused, and the character is named.
"""

import unicodedata

from fl_common.errors import InvalidConfiguration


def hidden(text: str) -> str | None:
    """The first character of ``text`` that can't be seen as it is, by its name; None if all can."""
    if text.isprintable():
        return None
    wrong = next(character for character in text if not character.isprintable())
    return f"U+{ord(wrong):04X} {unicodedata.name(wrong, '')}".rstrip()


def require_printable(what: str, text: str) -> None:
    """Refuse a declared ``text`` with such a character; ``what`` it is stands in the message.

    Raises:
        InvalidConfiguration: it has one.
    """
    if found := hidden(text):
        rule = f"has the character {found}, which can't be told from another or from none"
        raise InvalidConfiguration(f"{what} {text!r}", rule, "Write it with other characters")
