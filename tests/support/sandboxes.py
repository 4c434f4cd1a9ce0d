"""Functions in sandboxes for tests, and events for them."""

import fcntl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fl_common.functions.events import Predicted
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.runner import runner_content
from fl_common.functions.sandbox.function import SandboxedFunction
from fl_common.functions.sandbox.open import open_function
from fl_common.functions.sandbox.program import program_of
from fl_common.functions.specification.sandboxed import SandboxedSpec
from tests.support.sources import ROOT

LIMITS = {
    "fuel": 50_000_000, "memory_mb": 64, "milliseconds": 20_000, "events": 16,
    "event_bytes": 65536, "state_bytes": 65536, "host_calls": 1000,
}  # fmt: skip
MACHINE_CODE = ROOT / ".machine-code"
"""Kept from run to run: compiling the runner takes half a minute."""


def fields_of(**changes: Any) -> dict[str, Any]:
    """The fields of a function.json of format 2."""
    return {
        "format": 2, "form": "python", "file": "function.py",
        "interface": "jointhedots:function@1.0", "world": "rule",
        "on": [{"prediction": "*"}], "labels": [], "needs": ["emit", "state", "log"],
        "emits": {"found": {}}, "settings": {}, "state_version": 1, "limits": LIMITS,
        "on_failure": {"disable_after": {"failures": 10, "of_last": 100}}, **changes,
    }  # fmt: skip


def folder_of(content: bytes | str, **changes: Any) -> FunctionFolder:
    """A function's folder with this content."""
    spec = SandboxedSpec.read(fields_of(**changes))
    return FunctionFolder(spec, content.encode() if isinstance(content, str) else content)


def compile_runner() -> Path:
    """Where the machine code of the runner is: one process makes it, others wait."""
    MACHINE_CODE.mkdir(exist_ok=True)
    with (MACHINE_CODE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program_of(runner_content(), MACHINE_CODE)
    return MACHINE_CODE


def function_in_python(source: str, **changes: Any) -> SandboxedFunction:
    """A function of this source."""
    return open_function(folder_of(source, **changes), compile_runner())


def limits(**changes: int) -> Mapping[str, int]:
    """Limits, of which some are changed."""
    return {**LIMITS, **changes}


def predicted(label: str = "walk", number: int = 0, **changes: Any) -> Predicted:
    """A prediction of two labels."""
    shares = (0.75, 0.25) if label == "walk" else (0.25, 0.75)
    return Predicted(
        number * 10**9, (number + 1) * 10**9, ("walk", "rest"), shares, said=f"{label}, surely",
        model="ab" * 32, **changes,
    )  # fmt: skip
