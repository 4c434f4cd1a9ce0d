"""Engines: transports for the messages of a simulated run."""
