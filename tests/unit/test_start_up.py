"""What the main job does not import before it is needed."""

import subprocess
import sys

LATE = ("fl_server.cloud.superlink", "opacus", "plotly", "ray", "sympy")


def test_the_main_job_starts_without_what_few_runs_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", "import sys, simulate.job; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {*LATE} & {*told.stdout.split()}
