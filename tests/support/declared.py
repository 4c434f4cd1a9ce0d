"""What pyproject.toml declares, and what the source imports of other people's packages."""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions

from tests.support.sources import PACKAGES, ROOT, Source

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def top(name: str) -> str:
    return name.partition(".")[0]


def third_party(files: Iterable[Source]) -> set[str]:
    """Top-level names that the files import and that are neither ours nor Python's."""
    names = {top(name) for source in files for name in source.imports}
    return names - set(sys.stdlib_module_names) - {*PACKAGES, "benchmarks", "docs", "tests"}


def distributions(requirements: Iterable[str]) -> set[str]:
    """Names of the required distributions, written as package indexes compare them."""
    return {canonical(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def undeclared(files: Iterable[Source], declared: set[str]) -> list[str]:
    """Names that the files import, of no distribution in ``declared``."""
    installed = packages_distributions()
    return [
        name
        for name in sorted(third_party(files))
        if not {canonical(found) for found in installed.get(name, [])} & declared
    ]


OURS = canonical(PROJECT["name"])
BOX = distributions(PROJECT["dependencies"])
"""What ``pip install`` of the project without an extra brings."""
EXTRAS = {
    name: distributions(some) - {OURS} for name, some in PROJECT["optional-dependencies"].items()
}
DECLARED = BOX.union(*EXTRAS.values())
