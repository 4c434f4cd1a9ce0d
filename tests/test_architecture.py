"""The layout's rules, read from the source: who imports what, how long things are, what is said."""

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from statistics import median

import pytest

from tests.support.declared import third_party, top
from tests.support.rooms import ALLOWED, climbing, modules_known_in, telling_plans_apart, unplaced
from tests.support.sources import PACKAGES, ROOT, Source, sources

MAY_IMPORT = {
    "catalogue": set[str](),
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
        "fl_common/wire/ledger_head.py",
        "fl_common/wire/failure.py",
        "fl_server/rounds/app.py",
        "fl_server/cloud/site_queries.py",
        "fl_server/cloud/grid.py",
        "fl_server/cloud/planning.py",
        "fl_server/cloud/superlink.py",
        "fl_server/rounds/evaluation.py",
        "fl_server/rounds/exchange.py",
        "fl_server/rounds/folding.py",
        "fl_server/rounds/latecomers.py",
        "fl_server/rounds/roster.py",
        "fl_server/rounds/shadow.py",
        "fl_server/rounds/strategy.py",
        "simulate/engines/loopback.py",
        "simulate/engines/ray.py",
        "simulate/engines/slow.py",
    ),
    "google": ("fl_client/inference/server.py", "fl_client/sensors/decoders/sparkplug_payload.py"),
    "grpc": ("fl_client/inference/server.py",),
    "h11": ("fl_client/sensors/transports/http/*", "simulate/functions/connection.py"),
    "hydra": (
        "*/build.py",
        "fl_common/configuration/overrides.py",
        "fl_common/plugins/own_file.py",
        "fl_common/plugins/search_path.py",
        "simulate/__main__.py",
        "simulate/configuration/composition.py",
    ),
    "omegaconf": (
        "*/build.py",
        "fl_client/configuration.py",
        "fl_common/plugins/own_file.py",
        "fl_common/plugins/texts.py",
        "simulate/*",
    ),
    "onnxruntime": ("models/onnx/runtime.py",),
    "opacus": (
        "fl_client/training/*",
        "fl_common/privacy/accounting.py",
        "models/nets/gru.py",
        "models/testing.py",
    ),
    "paho": ("fl_client/sensors/transports/mqtt/*",),
    "plotly": ("simulate/*",),
    "pyarrow": ("simulate/*",),
    "ray": ("simulate/engines/ray_cluster.py",),
    "tuf": ("fl_common/components/*", "fl_server/repository/store/*"),
}
"""Libraries that are kept behind few files, so that a new version of one touches these alone."""

STARTS_PYTHON = ("fl_common/programs/own.py", "fl_server/cloud/endpoint.py")
"""Files that may name the interpreter: own_program, and where Flower's own programs lie."""

SIGNING = {"fl_server", "securesystemslib", "tuf"}
VERIFYING = ("tuf.ngclient", "tuf.api.exceptions", "tuf.api.metadata.TargetFile")
"""Of these libraries, what reads and verifies alone."""

MOST_FILES_AT_A_ROOT = 8
MOST_MODULES_KNOWN = 21
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 40
MOST_LINES_OF_THE_MEDIAN_FUNCTION = 10

OWN = sources(*PACKAGES)
EVERYTHING = sources(*PACKAGES, "benchmarks", "docs", "tests")


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


@pytest.mark.parametrize("package", ["benchmarks", *PACKAGES])
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
    assert max(modules_known_in("fl_client.node").values()) <= 12


def test_a_privacy_plan_is_asked_not_told_apart() -> None:
    assert telling_plans_apart() == []


def test_no_module_knows_too_many_of_ours() -> None:
    known = {name: count for room in PACKAGES for name, count in modules_known_in(room).items()}
    assert {name: count for name, count in known.items() if count > MOST_MODULES_KNOWN} == {}


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_kept_behind_few_files(library: str) -> None:
    wrong = [
        source.path
        for source in OWN
        if library in map(top, source.imports)
        and not any(fnmatch(source.path, pattern) for pattern in ONLY_IN[library])
    ]
    assert wrong == []


def test_nobody_imports_onnx_runtime_with_its_telemetry() -> None:
    (alone,) = ONLY_IN["onnxruntime"]
    files = [*EVERYTHING, *sources("examples", "functions")]
    assert [s.path for s in files if "onnxruntime" in map(top, s.imports)] == [alone]


def test_children_of_ours_start_by_one_function_that_leaves_the_current_folder_out() -> None:
    named = [source.path for source in OWN if "sys.executable" in source.text]
    assert named == list(STARTS_PYTHON)
    text = (ROOT / STARTS_PYTHON[1]).read_text("utf-8")
    assert text.count("sys.executable") == text.count(
        'sys.executable).with_name("flower-superlink")'
    )


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
