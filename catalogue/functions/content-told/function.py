"""Tells what kind of content a message's bytes are, such as python, jpeg or elf.

A window is one message: its bytes as numbers from 0 to 255, and 256 where there are none any more.
It asks the network `content-type` about the beginning and the end, as the package magika does.
"""

_SPACE = b" \t\n\r\x0b\x0c"
_ENDS, _BLOCK = 1024, 4096


def prepared(content):
    """The numbers that the network takes of bytes: 256 where there are none."""
    first = content[:_BLOCK].lstrip(_SPACE)[:_ENDS]
    last = content[-_BLOCK:].rstrip(_SPACE)[-_ENDS:]
    nothing = [256] * _ENDS
    return (list(first) + nothing)[:_ENDS] + (nothing + list(last))[-_ENDS:]


def handle(event):
    """One question for a message; nothing is told of a message without bytes."""
    numbers = [int(value) for value in event.values]
    if any(not 0 <= number <= 256 for number in numbers):
        raise ValueError("bytes are numbers from 0 to 255, and 256 where there are none")
    content = bytes(number for number in numbers if number < 256)
    if not content:
        return
    answer = infer(prepared(content), [1, 2 * _ENDS])
    best = max(range(len(answer)), key=answer.__getitem__)
    sure = answer[best]
    label = settings["labels"][best] if sure >= settings["above"] else "unknown"
    told = {"label": label, "probability": round(sure, 4), "bytes": len(content)}
    emit("content-told", {"at_ns": event.start_ns, **told})
