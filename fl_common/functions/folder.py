"""A function's folder: ``function.json``, and the file that it names."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl_common.errors import InvalidData
from fl_common.functions.found import plain
from fl_common.functions.specification import FUNCTION_FILE, read_function
from fl_common.functions.specification.sandboxed import SandboxedSpec

_MOST_SOURCE, _MOST_COMPONENT = 1 << 20, 64 << 20


@dataclass(frozen=True)
class FunctionFolder:
    """A function for a sandbox: what it is, and its source text or its component."""

    spec: SandboxedSpec
    content: bytes
    fields: Mapping[str, Any] = field(default_factory=dict)
    """The values of function.json, of which ``spec`` was made."""

    @staticmethod
    def read(path: Path) -> "FunctionFolder":
        """The function in the folder ``path``.

        Raises:
            InvalidData: it has none, or one that can't run in a sandbox.
        """
        described = _content(path / FUNCTION_FILE, _MOST_SOURCE)
        spec = read_function(described)
        if not isinstance(spec, SandboxedSpec):
            raise InvalidData(
                f"{path / FUNCTION_FILE}",
                f"names the installed class {plain(spec.class_name, 100)}, and has nothing to run",
                "Give one of format 2: see docs/reference/functions.md",
            )
        most = _MOST_SOURCE if spec.form == "python" else _MOST_COMPONENT
        remedy = (
            "Give a function's folder" if spec.form == "python" else "Build it with fl-fn build"
        )
        content = _content(path / spec.file, most, remedy)
        return FunctionFolder(spec, content, json.loads(described))

    @property
    def source(self) -> str | None:
        """The source text; None of a component.

        Raises:
            InvalidData: it is no UTF-8.
        """
        if self.spec.form != "python":
            return None
        try:
            return self.content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidData(
                self.spec.file, f"is no UTF-8 at byte {error.start}", "Save it as UTF-8"
            ) from None


def _content(path: Path, most: int, remedy: str = "Give a function's folder") -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidData(f"{path}", f"can't be read ({error.strerror})", remedy) from None
    if len(content) > most:
        raise InvalidData(f"{path}", f"has {len(content):,} bytes", f"Stay below {most:,}")
    return content
