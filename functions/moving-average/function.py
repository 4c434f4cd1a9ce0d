"""Smooths each channel of a window: an instant becomes the mean of itself and those before it."""


def transform(window):
    """The window keeps its length: its first instants are means of fewer."""
    channels, instants = len(window.channels), settings["instants"]
    length = len(window.values) // channels
    found = [0.0] * len(window.values)
    for channel in range(channels):
        column = window.values[channel::channels]
        for at in range(length):
            some = column[max(0, at + 1 - instants) : at + 1]
            found[at * channels + channel] = sum(some) / len(some)
    window.values = found
    return window
