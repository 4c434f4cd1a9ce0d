"""Which sites take a new version first."""

from hashlib import sha256

_BYTES = 8


def is_canary(site: str, component: str, percent: int) -> bool:
    """Whether ``site`` is of the ``percent`` of sites that take ``component`` (a digest) first.

    Decided by a hash of both, so that each site knows by itself, it is another part of the sites
    for each version, and a larger part holds the smaller.
    """
    drawn = sha256(f"{component}/{site}".encode()).digest()[:_BYTES]
    return 100 * int.from_bytes(drawn, "big") < percent << 8 * _BYTES
