"""HTTP push: a sensor posts each message, and is answered once that is on the disk.

h11 reads the protocol (RFC 9112); the bounds on time, size and number are here.
"""
