"""The sensing process of a box: from a sensor's message to a prediction, without losing one.

``loop`` is the process, ``pipeline`` the work of its worker thread, and ``assembly`` builds both
from a configuration. ``metrics``, ``http`` and ``status`` are what an operator sees.
"""
