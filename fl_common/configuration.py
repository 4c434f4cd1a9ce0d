"""Configuration as values: what Hydra and YAML files give, before anything is built from it."""

from collections.abc import Mapping
from typing import Any

Config = Mapping[str, Any]
"""A node of a configuration: names and values."""
