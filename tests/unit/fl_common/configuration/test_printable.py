"""Characters that nobody sees in a text that must match another."""

import pytest

from fl_common.configuration.printable import hidden, require_printable
from fl_common.errors import InvalidConfiguration


@pytest.mark.parametrize("text", ["", "plain text", "Größe/Straße 7", "体温", "👍", "e\u0301"])
def test_a_text_that_shows_all_of_itself_is_taken(text: str) -> None:
    assert hidden(text) is None
    require_printable("topic", text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("a\u00a0b", "U+00A0 NO-BREAK SPACE"),
        ("a\u2003", "U+2003 EM SPACE"),
        ("\u200ba", "U+200B ZERO WIDTH SPACE"),
        ("a\u200cb", "U+200C ZERO WIDTH NON-JOINER"),
        ("\ufeffa", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
        ("a\u202eb", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("a\tb", "U+0009"),
        ("a\x00", "U+0000"),
    ],
)
def test_a_hidden_character_is_named(text: str, name: str) -> None:
    assert hidden(text) == name
    with pytest.raises(
        InvalidConfiguration, match=f"^topic .*has the character {name}".replace("+", "\\+")
    ):
        require_printable("topic", text)
