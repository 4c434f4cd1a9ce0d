"""Transports: how payloads come to a box, one way per module."""
