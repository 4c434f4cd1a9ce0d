"""HTTP push: a sensor posts each message, and gets the response once that is on disk.

h11 parses the protocol (RFC 9112); the limits on time, size and number are here.
"""
