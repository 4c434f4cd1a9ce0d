"""Functions on the nodes of a play, which follow a repository of the play's own."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fl_client.functions.host.compiler import MACHINE_CODE
from fl_common.configuration.paths import from_home
from fl_common.errors import InvalidConfiguration, RunFailed
from fl_common.functions.folder import FunctionFolder
from fl_common.functions.sandbox.key import copy_machine_code, own_cache
from fl_common.functions.specification.sandboxed import FORMS, NEEDS
from fl_common.programs.own import own_program
from fl_common.vocabulary import Task

_WHY = "a play on this machine, after fl-fn test"
_LICENCE = "Apache-2.0"
_LONGEST_S = 120.0


@dataclass(frozen=True)
class LiveFunctions:
    """The section ``components`` of the nodes' configurations; empty: they follow nothing.

    ``shape`` names the one that their windows go through; None: none.
    """

    components: Mapping[str, Any]
    shape: str | None = None

    def lend_machine_code(self, home: Path) -> None:
        """Give a node what this user has compiled already: it would take it half a minute."""
        if not self.components:
            return
        copy_machine_code(own_cache(), home / MACHINE_CODE)


def published(folders: Sequence[str], shape: str | None, task: Task, place: Path) -> LiveFunctions:
    """Put the functions in ``folders``, and the ``shape``, into a repository in ``place``.

    They are in production. Its gates are not asked: ``fl-fn test`` asks the same.

    Raises:
        InvalidData: a folder has no function in a sandbox, or one for other labels.
        InvalidConfiguration: two have one name.
        RunFailed: the repository refuses one.
    """
    folders = [*folders, *([shape] if shape is not None else [])]
    if not folders:
        return LiveFunctions({})
    paths = [from_home(folder) for folder in folders]
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        what = f"report.functions={', '.join(names)}"
        raise InvalidConfiguration(what, "has one name twice", "Rename a folder")
    specs = [FunctionFolder.read(path).spec for path in paths]
    for spec in specs:
        spec.check_labels(task.labels)
    repository = place / "repository"
    _ask("init", "-r", str(repository))
    for path, name in zip(paths, names, strict=True):
        about = ("--kind", "function", "--name", name, "--licence", _LICENCE)
        _ask("add", str(path.absolute()), *about, "-r", str(repository))
        _ask("promote", name, "--force", _WHY, "-r", str(repository))
    limits = [spec.limits for spec in specs]
    grant = {
        "forms": list(FORMS), "needs": list(NEEDS), "functions": len(specs),
        "fuel": max(one.fuel for one in limits), "memory_mb": max(one.memory_mb for one in limits),
    }  # fmt: skip
    root = repository / "metadata" / "1.root.json"
    source = {"source": str(repository.absolute()), "root": str(root.absolute())}
    rules = names if shape is None else names[:-1]
    components = {**source, "functions": rules, "sandbox": grant}
    return LiveFunctions(components, None if shape is None else names[-1])


def _ask(*words: str) -> None:
    """Have ``fl-repo`` do something."""
    done = subprocess.run(
        own_program("fl_server.repository", *words), env={**os.environ, "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=_LONGEST_S, check=False,
    )  # fmt: skip
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines() or ["no words"]
        raise RunFailed(f"fl-repo {words[0]}: {said[-1].removeprefix('error: ')}")
