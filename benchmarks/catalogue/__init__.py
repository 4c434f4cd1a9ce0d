"""The catalogue's own networks, built from public data."""
