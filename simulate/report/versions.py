"""Versions of what a run depends on, for its record."""

import platform
from importlib import metadata

_PACKAGES = (
    "torch",
    "opacus",
    "flwr",
    "onnx",
    "onnxruntime",
    "numpy",
    "hydra-core",
    "join-the-dots",
)


def versions() -> dict[str, str | None]:
    """Versions of Python and the main packages; None for one that is not installed."""
    return {"python": platform.python_version(), **{name: _version(name) for name in _PACKAGES}}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
