"""Runs called from a program: the functions that ``simulate`` exports."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from simulate.configuration.composition import resolved, resumed
from simulate.configuration.requirements import check_run, is_live
from simulate.home import Home, Origin
from simulate.report.listener import RoundListener
from simulate.report.results import RoundResult
from simulate.result import Result, open_result


def run(
    config: Mapping[str, Any] | DictConfig,
    *,
    folder: Path | str | None = None,
    on_round: Callable[[RoundResult], object] | None = None,
) -> Result:
    """Carry out the run of ``config``, a whole configuration such as ``configure`` gives.

    Its files lie in ``folder``, which is made; None: ``outputs/<date>/<time>`` below the current
    folder. ``on_round`` is called after each round; an error that it raises ends the run. Nothing
    is printed, and the process is left as it was; a second run at the same time waits for the
    first. An interrupted run (Ctrl-C, or an error) keeps its finished rounds: see ``resume``.

    Raises:
        InvalidConfiguration: a value that can't be used; nothing was written.
        JoinTheDotsError: a run that can't go on; see ``fl_common.errors``.
    """
    values = resolved(config)
    if is_live(values):
        raise InvalidConfiguration(
            "engine=live", "is watched on a terminal", "Run it with: python -m simulate engine=live"
        )
    check_run("simulate.run", values, reports=True)
    home = _home_of(values, folder)
    with _explained(home):
        _carry_out(values, home, RoundListener(on_round))
    return open_result(home.folder)


def resume(
    folder: Path | str, *, on_round: Callable[[RoundResult], object] | None = None
) -> Result:
    """Go on with the run in ``folder`` after its last finished round, with its own configuration.

    It ends as if it had never been interrupted. See ``run``.

    Raises:
        InvalidConfiguration: no run is there.
        JoinTheDotsError: a run that can't go on.
    """
    return run(resumed(Path(folder)), on_round=on_round)


def _carry_out(values: dict[str, Any], home: Home, listener: RoundListener) -> None:
    """The run itself; what it needs is imported now, once it is known to be installed."""
    from simulate.engines.process import one_run
    from simulate.job.job import carry_out
    from simulate.world.build import open_world

    with one_run():
        try:
            origin = Origin(configuration={**values, "resume": None})
            carry_out(values, home, listener, origin, time.monotonic())
        finally:
            open_world.cache_clear()  # a file may have changed by the next run


def _home_of(values: Mapping[str, Any], folder: Path | str | None) -> Home:
    """The outputs folder: that of the run that goes on, the one given, or a new one."""
    if values["resume"]:
        return Home(Path(values["resume"]))
    if folder is None:
        return Home(_new_folder(Path("outputs"), datetime.now().astimezone()))
    return Home(Path(folder))


def _new_folder(outputs: Path, now: datetime) -> Path:
    """A folder below ``outputs`` that no run has."""
    folder = outputs / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}"
    place, count = folder, 1
    while place.exists():
        count += 1
        place = folder.with_name(f"{folder.name}-{count}")
    return place


@contextmanager
def _explained(home: Home) -> Iterator[None]:
    """Errors of the system as errors of ours, and how to go on after an interruption."""
    try:
        try:
            yield
        except OSError as error:
            raise InvalidConfiguration(
                f"{error.filename or home.folder}: {error.strerror or error}",
                "the file or folder must be readable, and the outputs folder writable with room"
                " left",
                "Free space, or give another folder",
            ) from error
    except (JoinTheDotsError, KeyboardInterrupt) as error:
        if os.path.exists(home.record):  # noqa: PTH110 (pathlib's raises for a name too long)
            error.add_note(f"Go on after the last finished round: resume({str(home.folder)!r})")
        raise
