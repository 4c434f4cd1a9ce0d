"""Decoders: one payload format per file."""
