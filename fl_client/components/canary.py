"""Which sites take a new version first."""

from hashlib import sha256

_BYTES = 8


def is_canary(site: str, component: str, share: float) -> bool:
    """Whether ``site`` is among the ``share`` of sites that take ``component`` (a digest) first.

    Decided by a hash of both, so that each site knows by itself, it is another part of the sites
    for each version, and a larger share holds the smaller.
    """
    drawn = sha256(f"{component}/{site}".encode()).digest()[:_BYTES]
    return int.from_bytes(drawn, "big") / 256.0**_BYTES < share
