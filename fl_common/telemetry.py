"""Telemetry of the libraries in use, off in every process of ours and in their children.

Flower and Ray report usage, and Flower asks for updates. ONNX Runtime 1.32 for Linux connects to
its vendor when it is imported, and keeps a device identifier and a profile of use in the user's
cache folder. Each reads a variable of the environment once, at its import: importing any package
of ours sets them all, whatever the environment had.
"""

import os

OFF = {
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_TELEMETRY_ENABLED": "0",
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""The variables, and their values for no telemetry."""


def switch_off() -> None:
    """Set the variables for this process, and for those that it starts."""
    os.environ.update(OFF)
