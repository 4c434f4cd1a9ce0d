"""The sensing process of a box: from a sensor's message to a prediction, without losing one.

``loop`` is the process, ``pipeline`` what its worker thread does, ``build`` makes both from a
configuration. ``metrics``, ``watch``, ``logs`` and ``status`` are what an operator sees.
"""
