"""What the main job does not import before it is needed."""

import subprocess
import sys

import pytest

LATE = ("fl_server.cloud.superlink", "opacus", "plotly", "ray", "sympy")


def modules_after(imports: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, {imports}; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize(
    "program", ["fl_client", "fl_server", "fl_server.repository", "simulate.functions"]
)
def test_a_program_tells_its_commands_without_what_one_of_them_needs(program: str) -> None:
    assert not {"hydra", "omegaconf", "numpy", "models"} & modules_after(f"{program}.__main__")


@pytest.mark.slow
def test_a_function_is_served_without_what_an_image_of_a_box_lacks() -> None:
    lacking = {"torch", "opacus", "flwr", "scipy", "onnx", "ray", "plotly", "pyarrow", "PIL"}
    assert not lacking & modules_after("simulate.functions.serving, simulate.functions.models")


@pytest.mark.slow
def test_a_site_s_link_keeps_the_memory_of_what_it_does_not_need() -> None:
    link = "fl_client.__main__, fl_client.configuration, fl_client.federation.build"
    heavy = {
        "torch",
        "opacus",
        "onnx",
        "onnxruntime",
        "tuf",
        "aiomqtt",
        "ray",
        "fl_client.site.box",
    }
    assert not heavy & modules_after(link)


@pytest.mark.slow
def test_the_main_job_starts_without_what_few_runs_need() -> None:
    assert not {*LATE} & modules_after("simulate.job.job")
