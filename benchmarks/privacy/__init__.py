"""Privacy, measured: accuracy at each epsilon, and its cost in time."""
