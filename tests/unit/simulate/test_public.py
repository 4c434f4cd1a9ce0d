"""The public modules: what each exports is there, documented, listed, and cheap to import."""

import inspect
import re
import subprocess
import sys
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

import simulate
from tests.support.sources import PACKAGES, ROOT

PAGE = (ROOT / "docs" / "reference" / "api.md").read_text("utf-8")
PUBLIC = re.findall(r"^## `([\w.]+)`$", PAGE, flags=re.MULTILINE)


def test_the_page_lists_every_module_that_declares_what_it_exports() -> None:
    declaring = {
        path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if re.search(r"^__all__ = ", path.read_text("utf-8"), flags=re.MULTILINE)
    }
    assert {name.replace("/", ".") for name in declaring} == set(PUBLIC)


@pytest.mark.parametrize("module", PUBLIC)
def test_what_a_public_module_exports_is_there_and_documented(module: str) -> None:
    found = import_module(module)
    assert found.__doc__
    for name in found.__all__:
        value = getattr(found, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{module}.{name} has no docstring"


def test_what_is_not_exported_is_no_attribute_of_the_library() -> None:
    assert {*simulate.__all__} <= {*dir(simulate)}
    with pytest.raises(AttributeError, match=r"simulate.*no attribute 'ran'"):
        simulate.__getattr__("ran")


def test_importing_the_library_costs_nothing() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, simulate; print(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = {name.partition(".")[0] for name in told.stdout.split()}
    assert not names & {"flwr", "hydra", "numpy", "omegaconf", "opacus", "ray", "rich", "torch"}


def test_a_configuration_and_an_old_result_need_no_torch() -> None:
    asked = "import sys; from simulate import configure, open_result, run; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert not {"torch", "opacus", "flwr", "onnxruntime"} & set(told.stdout.split())


def test_the_wheel_says_that_its_packages_are_typed(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {
        f"{package}/py.typed" for package in PACKAGES if package not in ("catalogue", "conf")
    } <= names
    assert "conf/config.yaml" in names
