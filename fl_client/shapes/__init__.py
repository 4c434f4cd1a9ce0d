"""Shapes: pure functions that windows go through after they are cut, before anything uses them.

A shape is a component of the repository (``windows.shape``). It runs in a function host of its
own, so no rule holds it up, and it holds up no sensing: windows wait in the store until it has made
something of them (``shaping``), by a thread (``thread``) that calls it (``calling``). What a box
has of it is in ``held``: the version that production offers, and the one before it, which the model
may still require. Each has windows of its own in the store, which never mix.
"""
