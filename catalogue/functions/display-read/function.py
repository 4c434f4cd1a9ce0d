"""Tells what stands on a display: of pictures of one line of text, 48 pixels high.

It asks the network `text-reader` which character is most probable at each step of 8 pixels, and
reads that as CTC has it (Graves et al. 2006, best path): repetitions count once, and 0 is none.
"""

import re
from string import ascii_lowercase, ascii_uppercase, digits, punctuation

HEIGHT, LEAST_WIDTH, NONE = 48, 8, 0
SIGNS = {108: "°", 109: "±", 110: "²", 111: "³", 113: "µ", 18709: " "}
CHARACTERS = dict(enumerate(punctuation + digits + ascii_uppercase + ascii_lowercase, 1)) | SIGNS
OTHER = "\N{REPLACEMENT CHARACTER}"
GAP = re.compile(r"(?<=[\d.,]) +(?=[\d.,])")
DOUBT = re.compile(r"\d[IlO|]|[IlO|]\d")  # a 1 or a 0, perhaps
NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")


def question(event):
    """The picture as the network takes it, with zeros to the right; its shape."""
    planes = len(event.channels)
    width, rest = divmod(len(event.values), planes * HEIGHT)
    if planes not in (1, 3) or rest or not width:
        rule = f"a picture of 1 or 3 channels, {HEIGHT} pixels high, is read"
        raise ValueError(f"{rule}; these are {len(event.values)} values of {planes}")
    values = [value / 127.5 - 1 for value in event.values]
    asked = max(width, LEAST_WIDTH)
    if asked > width:
        blank = [0.0] * (asked - width)
        rows = [values[at : at + width] + blank for at in range(0, len(values), width)]
        values = [value for row in rows for value in row]
    return values * (3 // planes), [1, 3, HEIGHT, asked]


def read(answer):
    """The text, and the mean probability of its characters; 0 of none."""
    text, sure, before = "", [], NONE
    for place, probability in zip(answer[::2], answer[1::2]):
        if place not in (NONE, before):
            text += CHARACTERS.get(int(place), OTHER)
            sure.append(probability)
        before = place
    return text.strip(), sum(sure) / len(sure) if sure else 0.0


def handle(event):
    """Tell what is read, of which it is sure enough; that it is not, the first time in a row."""
    text, sure = read(infer(*question(event)))
    found = {"text": text, "confidence": round(sure, 4)}
    is_read = bool(text) and sure >= settings["least"]
    last = get("last")
    if not is_read:
        if last is not False:
            emit("display-unreadable", found)
        put("last", False)
        return
    if settings["each"] or text != last:
        numbers = [] if DOUBT.search(text) else NUMBER.findall(GAP.sub("", text))
        value = float(numbers[0].replace(",", ".")) if len(numbers) == 1 else None
        emit("display-read", {**found, "value": value})
    put("last", text)
