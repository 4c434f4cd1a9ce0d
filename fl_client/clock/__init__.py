"""The box's clock: whether it can be believed, and what is done until it can.

``guard`` decides (pure: clocks are arguments), ``machine`` reads the machine's clocks, and
``vouching`` is the word of NTP and of the operator.
"""
