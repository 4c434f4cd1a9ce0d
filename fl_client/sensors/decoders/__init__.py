"""Decoders: one form of payload per file."""
