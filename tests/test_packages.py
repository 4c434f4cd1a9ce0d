"""Packages: each that is imported is declared, where it is needed, and pinned."""

import re
from fnmatch import fnmatch
from importlib.metadata import packages_distributions

import pytest

from tests.support.declared import (
    BOX,
    DECLARED,
    EXTRAS,
    canonical,
    distributions,
    third_party,
    undeclared,
)
from tests.support.sources import PACKAGES, ROOT, Source, sources

NOT_IMPORTED = {
    "componentize-py": "the build of the runner of functions runs it",
    "hatchling": "a command",
    "mkdocs": "a command",
    "mkdocs-material": "MkDocs loads it",
    "mkdocstrings": "MkDocs loads it",
    "pre-commit": "a command",
    "onnxscript": "torch.onnx imports it",
    "pytest-timeout": "pytest loads it",
    "pytest-xdist": "pytest loads it",
    "ruff": "a command",
    "mypy": "a command",
    "seglearn": "only its data file is read",
}
"""Declared without an import of ours, and why."""

OWN = sources(*PACKAGES)

SIGHT = ("sensors/decoders/picture_files.py",)
"""Of fl_client: what a box does without that has no camera."""
TRAINING = ("app.py", "build.py", "federation/*", "release/*", "site/*", "training/*")
"""Of fl_client: what a box does without that only senses and infers."""
_WIRE = ("fl_common/wire/*", "fl_common/files/keys.py")
_BOX_MODELS = (
    *(f"models/{name}.py" for name in ("__init__", "lineage", "tasks/__init__", "tasks/shaped")),
    *(f"models/onnx/{name}.py" for name in ("content", "golden", "reading", "schema")),
)


def of_the_box(source: Source) -> bool:
    """Whether a file may need nothing but what an install without an extra brings."""
    if source.package == "models":
        return source.path in _BOX_MODELS
    without = (*(f"fl_client/{pattern}" for pattern in (*SIGHT, *TRAINING)), *_WIRE)
    return source.package in ("fl_client", "fl_common") and not any(
        fnmatch(source.path, pattern) for pattern in without
    )


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (("fl_client", "fl_common", "models/nets"), ("train", "pictures")),
        (("fl_server", "fl_common", "models"), ("server",)),
        (("simulate",), ("train", "server", "simulation")),
        (("tests",), ("train", "server", "simulation", "pictures", "dev")),
    ],
)
def test_every_import_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    declared = BOX.union(*(EXTRAS[extra] for extra in extras))
    assert undeclared(sources(*folders), declared) == []


def test_a_box_that_senses_and_infers_imports_what_is_installed_without_an_extra() -> None:
    files = [source for source in OWN if of_the_box(source)]
    assert {*_BOX_MODELS, "fl_client/node/process.py"} <= {source.path for source in files}
    assert undeclared(files, BOX) == []


def test_every_declared_package_has_a_user() -> None:
    installed = packages_distributions()
    files = sources(*PACKAGES, "benchmarks", "tests")
    used = {canonical(found) for name in third_party(files) for found in installed.get(name, [])}
    assert DECLARED - used == set(NOT_IMPORTED)


def test_every_declared_package_is_pinned_by_name_and_version_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert DECLARED - distributions(pins) == set()


def test_every_pin_but_torch_s_has_its_hashes() -> None:
    """An index has builds of torch and torchvision of its own."""
    pins = re.findall(r"^\w\S*==\S+$", (ROOT / "constraints.txt").read_text("utf-8"), re.M)
    hashed = re.findall(
        r"^(\w\S*==\S+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)$",
        (ROOT / "hashes.txt").read_text("utf-8"),
        re.M,
    )
    without = {pin for pin in pins if pin.startswith(("torch==", "torchvision=="))}
    assert len(without) == 2
    assert {canonical(pin) for pin, _ in hashed} == {canonical(pin) for pin in set(pins) - without}
