"""Processes in which some packages can't be imported, as where an extra is not installed."""

import os
from pathlib import Path

TRAINING = ("flwr", "httpx", "onnx", "onnxscript", "opacus", "scipy", "torch", "torchvision")
"""What an install without an extra does not bring."""

_REFUSAL = """\
import sys


class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Refused())
"""


def environment_without(folder: Path, *packages: str) -> dict[str, str]:
    """The environment of a process, and of its children, that can't import ``packages``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(_REFUSAL.format(names=packages))
    return {**os.environ, "PYTHONPATH": str(folder)}
