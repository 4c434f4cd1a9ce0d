"""Functions turn a box's predictions into events; one kind per file (``fl_common.functions``).

A function is called with each window's prediction, in order of window time, and returns events. It
runs in the function host (``host``), a process of its own; ``runner`` says which is shown what,
``thread`` does it beside the sensing thread, and ``feed`` in the store's transactions.
"""
