"""Windows to show a function, with a model's answers: those that a task holds out, or a box's own.

Nothing is written, but for a model that is trained where none is given.
"""

import hashlib
import re
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console

from fl_client.home import MODEL, SLOTS, STORE
from fl_client.store.database import reading
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import sha256_of
from fl_common.vocabulary import Task
from simulate.functions.models import read_model, task_in
from simulate.functions.seen import NOTHING, Seen, answered, of_test, window_of

OWN_RUNS = Path("outputs") / "fl-fn"
"""Where models are that were trained for want of one, a folder for each task."""
_BATCH, _ROUNDS = 256, 15
_SECOND_NS = 10**9
_OWN = "data.path="
"""What names a file of own data."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LAST = re.compile(r"([1-9][0-9]{0,5})([smhd])")


def held_out(
    task: str, overrides: Sequence[str], model: Path | None, most: int, output: Console
) -> Seen:
    """The last ``most`` windows (0: all) that ``task`` holds out, each person's as a stream.

    They begin in 1970, one after the other. ``model`` is a model.onnx; None: one is trained, once
    for these ``overrides`` of the task's configuration and the file of own data that they name.

    Raises:
        JoinTheDotsError: no such task, no such data, or a model that is not for it.
    """
    from omegaconf import OmegaConf  # slow to import, and so are the next

    from simulate.configuration.composition import configure, resolved
    from simulate.world.build import open_world

    values = resolved(configure(f"task={task}", *overrides))
    world = open_world(OmegaConf.to_yaml(OmegaConf.create(dict(values["world"]))))
    file = model if model is not None else _trained(task, overrides, output)
    return of_test(world.test(), world.task, read_model(file), most)


def stored_in(home: Path, last: str | None, most: int, now_s: float) -> Seen:
    """The last ``most`` windows (0: all) of the box at ``home``, of the time ``last`` before now.

    The model is the one that the box should serve; its answers are made anew.

    Raises:
        InvalidConfiguration: no box has run there, it has no model, or ``last`` is no time.
        StoreError: its store can't be read.
    """
    task, content = _model_of(home)
    since_ns = 0 if last is None else round((now_s - seconds_of(last)) * _SECOND_NS)
    size = 4 * int(np.prod(task.window_shape))
    with reading(home / STORE) as connection:
        rows = connection.execute(
            "SELECT start_ns, stream, content FROM windows JOIN window_values USING (id) WHERE cut"
            " = (SELECT cut FROM windows ORDER BY id DESC LIMIT 1) AND start_ns >= ? AND"
            " length(content) = ? ORDER BY start_ns DESC, stream DESC LIMIT ?",
            (since_ns, size, most or -1),
        ).fetchall()
    rows.reverse()
    if not rows:
        return NOTHING
    values_N = np.stack(
        [np.frombuffer(body, "<f4").reshape(task.window_shape) for _, _, body in rows]
    )
    windows = [
        window_of(task, values, start_ns, stream)
        for (start_ns, stream, _), values in zip(rows, values_N, strict=True)
    ]
    return answered(windows, values_N, task, content)


def seconds_of(text: str) -> int:
    """The seconds of a time such as ``30s``, ``10m``, ``1h`` or ``2d``.

    Raises:
        InvalidConfiguration: it is none.
    """
    found = _LAST.fullmatch(text)
    if found is None:
        remedy = "Give such as --last 1h"
        raise InvalidConfiguration(f"--last {text}", "must be a number and s, m, h or d", remedy)
    return int(found[1]) * _UNITS[found[2]]


def _trained(task: str, overrides: Sequence[str], output: Console) -> Path:
    """The model of this folder's own run of ``task``, which is carried out if need be."""
    from simulate.configuration.composition import configure
    from simulate.home import Home
    from simulate.library import resume, run

    home = Home(OWN_RUNS / _name_of(task, overrides))
    if home.model.is_file():
        return home.model
    output.print(f"training a model for {task}, without privacy, {_ROUNDS} rounds: {home.folder}")
    began = time.monotonic()
    if home.record.is_file():
        resume(home.folder)
    else:
        about = ("privacy=none", f"rounds={_ROUNDS}", *overrides)
        run(configure(f"task={task}", *about), folder=home.folder)
    output.print(f"trained in {time.monotonic() - began:.0f} s; the next time it is there")
    return home.model


def _name_of(task: str, overrides: Sequence[str]) -> str:
    """The folder of a run: of other values, or of a file with another content, it is another."""
    if not overrides:
        return task
    files = [Path(one.removeprefix(_OWN)) for one in overrides if one.startswith(_OWN)]
    facts = [*overrides, *(sha256_of(file) for file in files if file.is_file())]
    return f"{task}-{hashlib.sha256(repr(facts).encode()).hexdigest()[:12]}"


def _model_of(home: Path) -> tuple[Task, bytes]:
    """The model that a box should serve, and its task as the model tells it."""
    place = home / SLOTS / MODEL
    if not (home / STORE).is_file() or not (place / "current").is_file():
        raise InvalidConfiguration(
            f"--home {home}", "has no windows and model of a box", "Give a folder of one that runs"
        )
    digest = (place / "current").read_text("ascii").strip()
    content = read_model(place / "versions" / digest / "model.onnx")
    return task_in(content), content
