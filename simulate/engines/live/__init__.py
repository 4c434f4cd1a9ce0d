"""A live fleet: a broker, edge nodes as processes, and players of held-out recordings."""
