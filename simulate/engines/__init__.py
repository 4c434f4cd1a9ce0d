"""Engines: what carries the messages of a simulated run."""
