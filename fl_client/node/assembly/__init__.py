"""Build a node from a configuration: a file for each part, and ``node`` for the whole."""
