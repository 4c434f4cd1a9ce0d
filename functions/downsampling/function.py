"""Makes a window shorter: the mean of so many instants becomes one."""


def transform(window):
    """Where the length is no multiple, the instants that are left over at the end are dropped."""
    channels, instants = len(window.channels), settings["instants"]
    length = len(window.values) // channels // instants
    if not length:
        raise ValueError(f"a window has fewer than {instants} instants")
    found = []
    for at in range(length):
        begin, end = at * instants * channels, (at + 1) * instants * channels
        some = window.values[begin:end]
        found += [sum(some[channel::channels]) / instants for channel in range(channels)]
    window.values = found
    return window
