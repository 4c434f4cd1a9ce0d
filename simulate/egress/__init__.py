"""Egress check: marked values in private data, and a search of every byte that is sent."""
