"""Functions: what a box makes of its predictions, one kind per file (``fl_common.functions``).

A function is called with each window's prediction, in order of window time, and gives events or
nothing. It keeps what it has to remember in itself; a restart of the node begins with a new one.
"""
