"""What the ``components`` section of a node's configuration declares, as values."""

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fl_client.components.health import Health
from fl_client.components.poll import Poller
from fl_client.inference.trial import Trial, trial_within
from fl_common.components.reader import Limits
from fl_common.configuration.addresses import http_url
from fl_common.configuration.kinds import constructed


def health_of(node: Mapping[str, Any]) -> Health:
    """When a new version is bad enough to go back.

    Raises:
        InvalidConfiguration: here and below, a value that can't be used.
    """
    return constructed("components.health", Health, node["health"])


def limits_of(node: Mapping[str, Any]) -> Limits:
    """The bounds on what is fetched."""
    return constructed("components.limits", Limits, node["limits"])


def trial_of(engine: Mapping[str, Any]) -> Trial:
    """How a new model is tried, by the ``engine`` section."""
    return constructed("engine.trial", trial_within, engine["trial"])


def source_of(node: Mapping[str, Any]) -> str | Path:
    """The repository: the address of a web server, or a folder."""
    source = node["source"]
    return http_url("components.source", source) if "://" in source else Path(source)


def poller_of(node: Mapping[str, Any], poll: Callable[[], object]) -> Poller:
    """What calls ``poll`` from time to time."""
    polls = partial(Poller, poll, generator=random.Random())
    return constructed("components.poll", polls, node["poll"])
