"""Functions turn a box's predictions into events; one kind per file (``fl_common.functions``).

A function is called with each window's prediction, in order of window time, and returns events.
Its state is its own and is lost when the node restarts.
"""
