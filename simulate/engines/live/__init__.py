"""A fleet to watch: a broker, edge nodes as processes, and players of held-out recordings."""
