"""The part of the release gateway that the sensing process needs, which does without torch."""


def release_health(site: str, version: str, healthy: bool) -> dict[str, str]:
    """What a site says of itself where its owner lets it: no part, no cause, no time."""
    return {"name": site, "version": version, "healthy": "yes" if healthy else "no"}
