"""Text from outside (names, reasons, topics, versions) where people or programs read lines."""

LONGEST = 4096


def visible(text: str) -> str:
    r"""``text`` in one line that shows every character: none can end the line or steer a terminal.

    What is not printable (``str.isprintable``: newlines, escapes, marks that reverse the direction)
    is written as in a Python string, such as ``\n``. A text above ``LONGEST`` is shortened.
    """
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text) - LONGEST} more characters)"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
