"""One rule in several languages, and the components of those that are compiled.

What builds them comes from the registries, pinned by the Makefile, into ``.languages``.
"""

import subprocess
from pathlib import Path

from tests.support.sources import ROOT

SOURCES = ROOT / "tests/languages/sources"
_TOOLS, _WIT = ROOT / ".languages", ROOT / "fl_common/functions/contract.wit"
_SECONDS = 200


def components(folder: Path) -> dict[str, bytes]:
    """The components by language, built in ``folder``."""
    script, core, embedded, c = (folder / f"{name}.wasm" for name in ("js", "core", "half", "c"))
    stub = ("--backend-qjs-disable-async", "--backend-qjs-stub-wasi")
    _ran(_TOOLS / "node_modules/.bin/jco", "componentize", SOURCES / "rule.js", "--wit", _WIT,
         "-n", "rule", "--backend", "quickjs", *stub, "-o", script)  # fmt: skip
    _ran(_TOOLS / "bin/python", "-m", "ziglang", "cc", "-target", "wasm32-freestanding", "-O2",
         "-nostdlib", "-Wl,--no-entry", SOURCES / "rule.c", "-o", core)  # fmt: skip
    tools = _TOOLS / "bin/wasm-tools"
    _ran(tools, "component", "embed", _WIT, "--world", "rule", core, "-o", embedded)
    _ran(tools, "component", "new", embedded, "-o", c)
    return {"JavaScript": script.read_bytes(), "C": c.read_bytes()}


def _ran(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
