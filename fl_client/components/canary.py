"""Which sites take a new version first."""

from hashlib import sha256

_BYTES = 8


def is_canary(site: str, component: str, percent: int) -> bool:
    """Whether ``site`` is among the ``percent`` of sites that take ``component`` (a digest) first.

    A hash of both decides: each site can tell without asking, every version has other canaries,
    and a larger percentage includes the sites of a smaller one.
    """
    drawn = sha256(f"{component}/{site}".encode()).digest()[:_BYTES]
    return 100 * int.from_bytes(drawn, "big") < percent << 8 * _BYTES
