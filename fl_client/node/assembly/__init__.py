"""From a configuration to a node: a file for each part, and ``node`` for the whole."""
