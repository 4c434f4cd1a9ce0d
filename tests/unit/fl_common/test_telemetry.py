"""Each process, the Makefile and the images switch off the telemetry of libraries."""

import os
import subprocess
import sys

import pytest

from fl_common.telemetry import OFF
from tests.support.sources import ROOT

ON = {
    "FLWR_DISABLE_UPDATE_CHECK": "0",
    "FLWR_TELEMETRY_ENABLED": "1",
    "ORT_DISABLE_TELEMETRY": "0",
    "RAY_USAGE_STATS_ENABLED": "1",
}


@pytest.mark.parametrize("package", ["fl_client", "fl_common", "fl_server", "models", "simulate"])
def test_the_import_of_any_package_is_enough(package: str) -> None:
    program = f"import os, {package}; print(*(os.environ[name] for name in {sorted(OFF)}))"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **ON},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.split() == [OFF[name] for name in sorted(OFF)]


def test_the_makefile_and_the_images_set_all_of_them() -> None:
    assert ON.keys() == OFF.keys()
    makefile = (ROOT / "Makefile").read_text()
    image = (ROOT / "stacks" / "edge" / "Dockerfile").read_text()
    for name, value in OFF.items():
        assert f"export {name} := {value}\n" in makefile
        assert f"{name}={value}" in image
