"""Configurations: rules for their values, and the keys that are read."""
