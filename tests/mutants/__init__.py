"""Faults that are planted into a copy of the source, each of which a test must find."""
