"""A recipe: its fields, read from YAML and checked."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from fl_common.errors import InvalidData

SCHEMA = Path(__file__).with_name("recipe.schema.json")
FUNCTIONS = "functions"
"""The folder beside recipes that has the functions that they are used with."""
_MOST_BYTES = 1 << 20


@dataclass(frozen=True)
class Origin:
    """A file of a package's wheel on PyPI, or one that lies beside the recipe.

    ``package`` and ``version`` are None for a file beside it; ``path`` is that in the wheel, or its
    name. Its content has exactly so many ``bytes``, and the hex digest ``sha256``. ``built`` says
    how a network of our own is made again.
    """

    path: str
    sha256: str
    bytes: int
    package: str | None = None
    version: str | None = None
    built: str | None = None

    def __str__(self) -> str:
        if self.package is None:
            return f"{self.path} of the catalogue"
        return f"{self.path} of {self.requirement} on PyPI"

    @property
    def requirement(self) -> str:
        """The package as pip takes it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class Licence:
    """The network's licence as an SPDX identifier, and what ``covers`` says that it is of.

    ``files`` are texts of the licence: the path in the wheel (or beside the recipe) and the sha256.
    """

    spdx: str
    covers: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Needs:
    """What a network needs from a sensor.

    ``window`` is the shape of one window, (T, C) of series, (C, H, W) of pictures (0: any size), or
    (C,). ``hop`` is how many readings further the next window begins, and ``rate_hz`` how many
    readings a second has; both are None where a window has no time axis.
    """

    sense: str
    channels: tuple[str, ...]
    unit: str
    window: tuple[int, ...]
    rate_hz: float | None = None
    hop: int | None = None

    def __str__(self) -> str:
        shape = " x ".join(str(size) if size else "any" for size in self.window)
        rate = "" if self.rate_hz is None else f" at {self.rate_hz:g} Hz"
        return f"{self.sense}, {shape} {', '.join(self.channels)}{rate}"


@dataclass(frozen=True)
class Limits:
    """What the network may take: megabytes of memory beyond a bare process, and milliseconds."""

    megabytes: float
    milliseconds: float


@dataclass(frozen=True)
class Right:
    """A part of the right answer to the example: of ``output``, at ``index``, in a range.

    Or, with ``largest``, the places of the largest values along its last axis.
    """

    output: str
    index: tuple[int, ...] = ()
    least: float | None = None
    most: float | None = None
    largest: Any = None


@dataclass(frozen=True)
class Recipe:
    """One network of the catalogue.

    ``inputs`` says for each input tensor how it is made, in words. ``state`` names for each input
    that carries a state the output that it is next; ``constants`` are inputs that stay as they are.
    ``before`` and ``after`` are the names of the shape and of the rule that it is used with; None:
    it needs none. Of the outputs ``largest`` a box answers only the largest value along the last
    axis, and its place. ``labels`` are the names of its answers; a text names the metadata property
    of the file that has them, one a line. ``folder`` is where it was read, ``distribution`` the
    package that has it.
    """

    name: str
    about: str
    origin: Origin
    licence: Licence
    needs: Needs
    inputs: Mapping[str, str]
    state: Mapping[str, str]
    constants: Mapping[str, Any]
    answer: str
    labels: tuple[str, ...] | str
    before: str | None
    after: str | None
    limits: Limits
    says: str
    right: tuple[Right, ...]
    folder: Path
    distribution: str
    largest: tuple[str, ...] = ()

    @property
    def example(self) -> Path:
        """The file of the worked example: its inputs and, if small, its outputs, by name."""
        return self.folder / f"{self.name}.npz"

    @property
    def functions(self) -> Mapping[str, Path]:
        """The folders of the functions that it is used with, by name: beside the recipe."""
        names = (name for name in (self.before, self.after) if name is not None)
        return {name: self.folder / FUNCTIONS / name for name in names}

    @property
    def text(self) -> bytes:
        """The recipe as it is written."""
        return (self.folder / f"{self.name}.yaml").read_bytes()


def read_recipe(path: Path, distribution: str) -> Recipe:
    """The recipe in the file at ``path``, whose name is its own.

    Raises:
        InvalidData: it is no recipe; the message names the key.
    """
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")
        fields = yaml.safe_load(content)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise _invalid(path, f"can't be read ({words})") from error
    for wrong in _validator().iter_errors(fields):
        raise _invalid(path, " ".join(f"{wrong.json_path[:80]}: {wrong.message[:160]}".split()))
    return _recipe(fields, path, distribution)


def _recipe(fields: Mapping[str, Any], path: Path, distribution: str) -> Recipe:
    example, needs = fields["example"], fields["needs"]
    shapes = {"channels": tuple(needs["channels"]), "window": tuple(needs["window"])}
    labels = fields["labels"]
    return Recipe(
        name=path.stem,
        about=" ".join(fields["about"].split()),
        origin=Origin(**fields["origin"]),
        licence=Licence(**fields["licence"]),
        needs=Needs(**{**needs, **shapes}),
        inputs=fields["inputs"],
        state=fields["state"],
        constants=fields["constants"],
        answer=" ".join(fields["answer"].split()),
        labels=labels if isinstance(labels, str) else tuple(labels),
        before=fields["before"],
        after=fields["after"],
        limits=Limits(**fields["limits"]),
        says=example["says"],
        right=tuple(Right(**{**one, "index": tuple(one.get("index", ()))})
                    for one in example["right"]),
        folder=path.parent,
        distribution=distribution,
        largest=tuple(fields.get("largest", ())),
    )  # fmt: skip


@cache
def _validator() -> Any:
    import jsonschema  # for this check alone

    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))


def _invalid(path: Path, rule: str) -> InvalidData:
    return InvalidData(
        f"{path.name} of the catalogue", rule, "Compare it with docs/reference/catalogue.md"
    )
