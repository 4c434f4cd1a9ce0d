"""Installed packages that extend ours, written into a folder as pip would leave them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

NET_SOURCE = """
import math
from torch import nn
from models.fronts import Normalise
from models.parts.layers import zero_linear
from models.nets import Net

class Flat(Net):
    def __init__(self, task, *, copies):
        size = math.prod(task.window_shape)
        super().__init__(nn.Sequential(Normalise(task), nn.Flatten()), zero_linear(size, 3))

class Unoffered(Flat):
    pass

def not_a_class(task):
    return Flat(task, copies=1)
"""


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    *,
    sources: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    offers: Mapping[str, Mapping[str, str]] | None = None,
    others: Mapping[str, bytes] | None = None,
    plugin: bool = True,
) -> Path:
    """A distribution ``package-dist`` 1.0 in ``folder``, which is put on the path.

    ``sources`` are modules by name, ``options`` YAML files by path under conf/, ``offers`` targets
    by kind and name, ``others`` any files by path; ``plugin`` says whether it is offered
    as one.
    """
    place = folder / package
    place.mkdir(parents=True)
    for name, text in {"__init__": "", **(sources or {})}.items():
        (place / f"{name}.py").write_text(text)
    for path, text in (options or {}).items():
        file = place / "conf" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for path, content in (others or {}).items():
        file = place / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    points = [f"[join_the_dots]\n{package} = {package}"] if plugin else []
    for kind, names in (offers or {}).items():
        lines = [f"{name} = {target}" for name, target in names.items()]
        points.append("\n".join([f"[join_the_dots.{kind}]", *lines]))
    metadata = folder / f"{package}_dist-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {package}-dist\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text("\n".join(points) + "\n")
    monkeypatch.syspath_prepend(str(folder))
    return place
