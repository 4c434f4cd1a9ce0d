"""Shipped functions in JavaScript beside those in Python: as expected, and the same bytes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fl_common.errors import InvalidData
from fl_common.functions.cases import CASES, Tried, read_cases, try_cases
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.sandbox.open import open_function
from fl_common.functions.sandbox.program import needs_of
from fl_common.functions.specification.sandboxed import SandboxedSpec
from simulate.functions.__main__ import main
from simulate.functions.building import component_of
from simulate.functions.commands import KINDS
from tests.support.sandboxes import compile_runner
from tests.support.sources import ROOT


def tried(folder: FunctionFolder, cases: Path) -> list[Tried]:
    return list(try_cases(open_function(folder, compile_runner()), read_cases(cases)))


def told(cases: list[Tried]) -> bytes:
    """All events, as JSON in the order in which they were told."""
    events = [[[one.kind, one.data] for one in case.outcome.events] for case in cases]
    return json.dumps(events).encode()


@pytest.mark.parametrize("name", ["label-change", "threshold-alarm"])
def test_both_languages_tell_the_same_bytes(name: str) -> None:
    folder = ROOT / "functions" / name
    python = FunctionFolder.read(folder)
    spec = replace(python.spec, form="wasm", file="function.wasm",
                   needs=python.spec.needs | {"log"})  # fmt: skip
    script = FunctionFolder(spec, component_of(folder / "function.js"))
    ours, theirs = tried(python, folder / CASES), tried(script, folder / CASES)
    assert all(case.fits for case in theirs), [case.case.line for case in theirs if not case.fits]
    assert told(ours) == told(theirs)
    assert len(told(ours)) > 100


@pytest.mark.parametrize("on", [kind for kind in KINDS if kind != "prediction"])
@pytest.mark.parametrize("language", ["javascript", "c"])
def test_a_new_function_of_each_kind_finds_what_that_in_python_does(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    on: str,
) -> None:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    folder = tmp_path / "fall-alarm"
    main(["new", str(folder), "--language", language, "--on", on])
    main(["build", str(folder)])
    main(["test", str(folder)])
    said = capsys.readouterr().out
    assert "the same bytes" in said
    assert "WRONG" not in said
    needs = json.loads((folder / "function.json").read_text())["needs"]
    built = open_function(FunctionFolder.read(folder), compile_runner())
    assert sorted(needs_of(built.program.component)) == sorted(needs)


@pytest.mark.parametrize("language", ["javascript", "c"])
def test_a_new_function_is_built_and_passes_its_cases(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    language: str,
) -> None:
    monkeypatch.setattr("simulate.functions.opened.own_cache", compile_runner)
    folder = str(tmp_path / "fall-alarm")
    main(["new", folder, "--language", language])
    main(["build", folder])
    main(["test", folder])
    assert "8 of 8 as expected" in capsys.readouterr().out
    described = json.loads((Path(folder) / "function.json").read_text())
    built = (Path(folder) / "function.wasm").read_bytes()
    settings = {"label": "PEN", "windows": 2}
    for changed, fits in (({}, True), (settings, False), ({"label": "x" * 201}, None)):
        spec = SandboxedSpec.read({**described, "settings": described["settings"] | changed})
        if fits is None and language == "c":
            with pytest.raises(InvalidData, match="need a label of at most 200 letters"):
                tried(FunctionFolder(spec, built), Path(folder) / CASES)
        elif fits is not None:
            ran = tried(FunctionFolder(spec, built), Path(folder) / CASES)
            assert all(case.fits for case in ran) is fits
            assert all(case.outcome.failure is None for case in ran)


def test_of_a_component_that_does_not_fit_the_contract_the_export_is_named(tmp_path: Path) -> None:
    source = tmp_path / "function.c"
    source.write_text('__attribute__((export_name("configure"))) int f(int a) { return 0; }')
    with pytest.raises(InvalidData, match="type mismatch for function `configure`"):
        component_of(source)


@pytest.mark.parametrize("name", ["function.js", "function.c"])
def test_source_that_can_not_be_built_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    source = tmp_path / name
    source.write_text("export function {")
    with pytest.raises(
        Exception,
        match=r"can't be built \(.*rror",
    ) as refused:
        component_of(source)
    assert "\n" not in str(refused.value)
