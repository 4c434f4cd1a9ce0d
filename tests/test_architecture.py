"""The layout's rules, read from the source: who imports what, how long things are, what is said."""

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from statistics import median

import pytest

from tests.support.rooms import ALLOWED, climbing, modules_known_in, unplaced
from tests.support.sources import PACKAGES, ROOT, Source, sources

MAY_IMPORT = {
    "conf": set[str](),
    "fl_common": set[str](),
    "models": {"fl_common"},
    "fl_client": {"fl_common", "models"},
    "fl_server": {"fl_common", "models"},
    "simulate": {"fl_common", "models", "fl_client", "fl_server"},
}
"""Packages of ours that each may import, beside itself."""

ONLY_IN = {
    "aiomqtt": ("fl_client/sensors/transports/mqtt/*", "simulate/engines/live/*"),
    "flwr": (
        "fl_client/app.py",
        "fl_client/federation/*",
        "fl_common/wire/messages.py",
        "fl_common/wire/summary.py",
        "fl_common/wire/inventory.py",
        "fl_server/rounds/app.py",
        "fl_server/cloud/site_queries.py",
        "fl_server/cloud/grid.py",
        "fl_server/cloud/planning.py",
        "fl_server/cloud/superlink.py",
        "fl_server/rounds/evaluation.py",
        "fl_server/rounds/exchange.py",
        "fl_server/rounds/shadow.py",
        "fl_server/rounds/strategy.py",
        "simulate/engines/loopback.py",
        "simulate/engines/ray.py",
    ),
    "google": ("fl_client/inference/server.py",),
    "grpc": ("fl_client/inference/server.py",),
    "hydra": (
        "*/build.py",
        "fl_client/configuration.py",
        "fl_common/plugins/search_path.py",
        "simulate/__main__.py",
        "simulate/composition.py",
    ),
    "omegaconf": ("*/build.py", "fl_client/configuration.py", "simulate/*"),
    "onnxruntime": ("fl_client/inference/onnx_model.py", "models/export.py", "models/golden.py"),
    "opacus": ("fl_client/training/*", "fl_common/privacy/accounting.py", "models/nets/gru.py"),
    "paho": ("fl_client/sensors/transports/mqtt/*",),
    "plotly": ("simulate/*",),
    "pyarrow": ("simulate/*",),
    "ray": ("simulate/engines/ray.py",),
    "tuf": ("fl_common/components/*", "fl_server/repository/store/*"),
}
"""Libraries that are kept behind few files, so that a new version of one touches these alone."""

NOT_IMPORTED = {
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

SIGNING = {"fl_server", "securesystemslib", "tuf"}
VERIFYING = ("tuf.ngclient", "tuf.api.exceptions", "tuf.api.metadata.TargetFile")
"""Of these libraries, what reads and verifies alone."""

MOST_FILES_AT_A_ROOT = 8
MOST_LINES_OF_A_FILE = 300
MOST_MODULES_OF_OURS = 12
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_THE_MEDIAN_FUNCTION = 10

OWN = sources(*PACKAGES)
EVERYTHING = sources(*PACKAGES, "benchmarks", "docs", "tests")
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


OURS = canonical(PROJECT["name"])
BOX = distributions(PROJECT["dependencies"])
"""What ``pip install`` of the project without an extra brings."""
EXTRAS = {
    name: distributions(some) - {OURS} for name, some in PROJECT["optional-dependencies"].items()
}
DECLARED = BOX.union(*EXTRAS.values())


def test_the_source_was_found() -> None:
    assert {source.package for source in OWN} == set(PACKAGES) == set(MAY_IMPORT)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_imports_only_those_below_it(package: str) -> None:
    allowed = {package} | MAY_IMPORT[package]
    wrong = [
        f"{source.path} imports {name}"
        for source in sources(package)
        for name in source.imports
        if top(name) in {*PACKAGES, "tests"} - allowed
    ]
    assert wrong == []


def test_the_vocabulary_needs_nothing_but_numpy() -> None:
    files = [source for source in OWN if source.path == "fl_common/vocabulary.py"]
    assert third_party(files) == {"numpy"}


def test_modules_import_each_other_in_one_direction() -> None:
    modules = {source.module for source in OWN}

    def imported(source: Source) -> Iterator[str]:
        for name in source.imports:
            module = name if name in modules else name.rpartition(".")[0]
            if module in modules:
                yield module

    graph = {source.module: set(imported(source)) for source in OWN}
    assert not [module for module, needed in graph.items() if module in needed]
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the modules


def test_every_room_has_a_place_among_the_others() -> None:
    assert unplaced() == set()


def test_no_import_runs_back_up_between_rooms() -> None:
    assert set(climbing()) == set(ALLOWED)


@pytest.mark.parametrize("package", ["fl_client", "fl_server"])
def test_few_files_lie_at_the_root_of_a_tier(package: str) -> None:
    files = [s.path for s in sources(package) if s.path.count("/") == 1]
    assert len(files) <= MOST_FILES_AT_A_ROOT, files


@pytest.mark.parametrize("package", ["fl_client", "fl_common", "models"])
def test_what_goes_to_a_site_has_nothing_that_signs_components(package: str) -> None:
    wrong = [
        f"{source.path} imports {name}"
        for source in sources(package)
        for name in source.imports
        if top(name) in SIGNING and not name.startswith(VERIFYING)
    ]
    assert wrong == []


def test_no_module_of_the_node_knows_all_the_others() -> None:
    assert max(modules_known_in("fl_client.node").values()) <= MOST_MODULES_OF_OURS


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_kept_behind_few_files(library: str) -> None:
    wrong = [
        source.path
        for source in OWN
        if library in map(top, source.imports)
        and not any(fnmatch(source.path, pattern) for pattern in ONLY_IN[library])
    ]
    assert wrong == []


TRAINING = ("app.py", "build.py", "federation/*", "release/*", "site/*", "training/*")
"""Of fl_client: what a box does without that only senses and infers."""
_WIRE = ("fl_common/wire/*",)
_BOX_MODELS = ("models/__init__.py", "models/golden.py", "models/lineage.py", "models/tasks.py")


def of_the_box(source: Source) -> bool:
    """Whether a file may need nothing but what an install without an extra brings."""
    if source.package == "models":
        return source.path in _BOX_MODELS
    without = (*(f"fl_client/{pattern}" for pattern in TRAINING), *_WIRE)
    return source.package in ("fl_client", "fl_common") and not any(
        fnmatch(source.path, pattern) for pattern in without
    )


def undeclared(files: Iterable[Source], declared: set[str]) -> list[str]:
    """Names that the files import, of no distribution in ``declared``."""
    installed = packages_distributions()
    return [
        name
        for name in sorted(third_party(files))
        if not {canonical(found) for found in installed.get(name, [])} & declared
    ]


@pytest.mark.parametrize(
    ("folders", "extras"),
    [
        (("fl_client", "fl_common", "models/nets"), ("train",)),
        (("fl_server", "fl_common", "models"), ("server",)),
        (("simulate",), ("train", "server", "simulation")),
        (("tests",), ("train", "server", "simulation", "dev")),
    ],
)
def test_every_import_is_declared(folders: tuple[str, ...], extras: tuple[str, ...]) -> None:
    declared = BOX.union(*(EXTRAS[extra] for extra in extras))
    assert undeclared(sources(*folders), declared) == []


def test_a_box_that_senses_and_infers_imports_what_is_installed_without_an_extra() -> None:
    files = [source for source in OWN if of_the_box(source)]
    assert {"fl_client/node/process.py", "fl_client/ledger/show.py"} <= {s.path for s in files}
    late = {"opacus"}  # the accountant PRV asks for it, and says which extra brings it
    assert set(undeclared(files, BOX)) == late


def test_every_declared_package_has_a_user() -> None:
    installed = packages_distributions()
    files = (source for source in EVERYTHING if source.package != "docs")
    used = {canonical(found) for name in third_party(files) for found in installed.get(name, [])}
    assert DECLARED - used == set(NOT_IMPORTED)


def test_every_declared_package_is_pinned_by_name_and_version_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []
    assert DECLARED - distributions(pins) == set()


def test_files_are_short() -> None:
    assert {s.path: s.lines for s in EVERYTHING if s.lines > MOST_LINES_OF_A_FILE} == {}


def test_functions_are_short() -> None:
    sizes = {name: size for s in EVERYTHING for name, size in s.function_sizes().items()}
    assert {n: size for n, size in sizes.items() if size > MOST_LINES_OF_A_FUNCTION} == {}
    own = [size for source in OWN for size in source.function_sizes().values()]
    assert median(own) <= MOST_LINES_OF_THE_MEDIAN_FUNCTION


def test_a_function_is_measured_without_docstring_comment_and_blank_line() -> None:
    head = 'def one():\n    """Two\n    lines."""\n    # why\n\n'
    text = head + '    x = """a\n\n    b"""\n    return x\n'
    assert Source("a.py", text).function_sizes() == {"a.py:1 one": 5}


WRITTEN = (".cfg", ".ini", ".json", ".md", ".proto", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml")
MACHINE_PATH = re.compile(r"(?<![\w.}/-])/(?:work|tmp|root|home|opt)\b")
INDEX_ADDRESS = re.compile(r"pypi\.org/simple|pythonhosted|(?:extra-)?index-url|find-links", re.I)


def written_files() -> list[str]:
    """Text that ships with the project, this file aside."""
    folders = [ROOT / name for name in (*PACKAGES, ".ci", "benchmarks", "docs", "tests")]
    paths = [*ROOT.glob("*"), *(path for folder in folders for path in folder.rglob("*"))]
    names = {"Makefile", "LICENSE", "run"}
    texts = [p for p in paths if p.is_file() and (p.suffix in WRITTEN or p.name in names)]
    return [p.relative_to(ROOT).as_posix() for p in texts if p.name != "test_architecture.py"]


def test_no_file_names_a_path_of_one_machine_or_a_package_index() -> None:
    files = written_files()
    assert {"Makefile", "constraints.txt", "fl_common/errors.py", ".ci/run"} <= set(files)
    wrong = [
        f"{file}:{number} {line.strip()}"
        for file in files
        for number, line in enumerate((ROOT / file).read_text("utf-8").splitlines(), 1)
        if MACHINE_PATH.search(line) or INDEX_ADDRESS.search(line)
    ]
    assert wrong == []
