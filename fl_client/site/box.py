"""A box as a site of a federation: its data are the windows in its own store.

Training runs in a process of its own, which reads the store and writes only the ledger. It shares
only files with the sensing process, and runs at a lower priority.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from fl_client.components.comparison import Comparison, compare_on
from fl_client.components.inventory import running
from fl_client.home import STORE
from fl_client.inference.trial import Trial
from fl_client.shapes.held import offered_task
from fl_client.site.participation import Site
from fl_client.site.policy import PrivacyPolicy
from fl_client.store.window_reading import read_all, read_labelled
from fl_client.store.windows import Retention
from fl_client.windows import Slicing
from fl_client.windows.grid import windows_per_reading
from fl_client.windows.labels import NO_LABEL
from fl_client.windows.split import HeldOut, Labelled, Split, split_of
from fl_client.windows.truths import truths_of
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan
from fl_common.vocabulary import Task, Windows

_NICE = 10
LONGEST_DAYS = 400
"""Days that are charged at most, whatever the retention."""


@dataclass(frozen=True)
class Box:
    """The site ``name`` with its files in the folder ``home``; ``task`` defines its windows.

    ``policy`` is the owner's privacy policy, which every plan must meet. Its privacy blocks are the
    UTC days that ``retention`` keeps, up to today by ``clock`` (Unix seconds).

    Raises:
        InvalidConfiguration: a task without a time axis, or held-out pieces shorter than a window.
    """

    home: Path
    name: str
    task: Task
    slicing: Slicing
    held_out: HeldOut
    policy: PrivacyPolicy
    retention: Retention
    clock: Callable[[], float]
    tells_versions: bool
    """Whether the server may learn which components run here."""
    trial: Trial
    """Tries a model to compare in a child process, before it is loaded."""

    def __post_init__(self) -> None:
        self._split()

    def site_of(self, node_config: Mapping[str, Any]) -> Site:
        """This box's only site; Flower's node configuration is ignored.

        Its windows are those of the shape that the repository offers at this instant.
        """
        del node_config
        box = self._with_shape()
        return Site(
            box.name,
            -1,
            training_windows=box.training_windows,
            held_out_windows=box.held_out_windows,
            check_plan=box.check_plan,
            comparison=box.comparison,
            runs=partial(running, box.home) if box.tells_versions else None,
            training_blocks=box.days,
            held_out_blocks=box.days,
        )

    def _with_shape(self) -> "Box":
        """This box with the shape that is offered, if windows go through one and any came yet."""
        name = self.slicing.shape
        task = None if name is None else offered_task(name, self.task, self.home)
        return self if task is None else replace(self, task=task)

    def days(self) -> tuple[str, ...]:
        """Every day that may hold windows, newest first, empty or not: a public fact.

        Older windows (``retention.days`` without end) are neither charged nor used.
        """
        today = np.datetime64(int(self.clock()), "s").astype("datetime64[D]")
        kept = math.ceil(min(self.retention.days, LONGEST_DAYS))
        return tuple(str(today - ago) for ago in range(kept + 1))

    def training_windows(self) -> Windows:
        """The windows that may be trained on now, as they stand for something that is known.

        A privacy block is a UTC day.

        Raises:
            StoreError: the store can't be read.
        """
        labelled = read_labelled(self.home / STORE, self.task, self.slicing)
        windows = self._split().training(labelled)
        teaches_N = truths_of(self.task, self.slicing).teaches_N(windows.labels)
        return windows if teaches_N.all() else windows.take(teaches_N)

    def held_out_windows(self) -> Windows:
        """Such windows that are never trained on."""
        labelled = read_labelled(self.home / STORE, self.task, self.slicing)
        return self._split().held_out_windows(labelled)

    def comparison(self, candidate: str | None) -> Comparison | None:
        """The comparison of the component ``candidate`` with production on all held-out windows."""
        compare = compare_on(self.home, self.task, candidate, self.trial)
        return compare and Comparison(self._all_held_out_windows, compare)

    def _all_held_out_windows(self) -> Windows:
        kept = read_all(self.home / STORE, self.task, self.slicing)
        unknown_N = np.full(len(kept.starts_N), NO_LABEL, np.int64)
        every = Labelled(kept.starts_N, kept.values_NTC, unknown_N)
        return self._split().held_out_windows(every)

    def check_plan(self, plan: RunPlan) -> None:
        """Raise InvalidConfiguration for a plan that doesn't fit this box's windows or policy.

        Center and scale may be a survey's: they are the server's, as the parameters are.
        """
        self._check_shape(plan)
        given = replace(plan.task, shape=self.task.shape)
        if replace(given, center=self.task.center, scale=self.task.scale) != self.task:
            raise InvalidConfiguration(
                f"a plan for task {plan.task.name}",
                f"must be for this site's task {self.task.name}, in the same definition",
                "Run server and sites with the same version and task",
            )
        self.policy.check(plan)
        self._check_noise(plan)
        self._check_overlap(plan)

    def _check_shape(self, plan: RunPlan) -> None:
        """Refuse a plan of another shape: which one is offered is public, and signed."""
        theirs, ours, name = plan.task.shape, self.task.shape, self.slicing.shape
        if (theirs and theirs.digest) == (ours and ours.digest) and (name is None) == (
            ours is None
        ):
            return
        has = "none" if name is None else str(ours or f"{name}, not here yet")
        raise InvalidConfiguration(
            f"a plan for windows that go through {theirs or 'no shape'}",
            f"is not for this site's, which go through {has}",
            "Set shape=FOLDER of the run to the version that the repository offers in production",
        )

    def _check_noise(self, plan: RunPlan) -> None:
        if plan.seed is not None and plan.privacy.noise_added_by == "site":
            raise InvalidConfiguration(
                f"a plan with seed {plan.seed}",
                "must have none: anyone who knows a seed can remove the noise",
                "Set seed=null, so that a box draws from its operating system",
            )

    def _check_overlap(self, plan: RunPlan) -> None:
        """Check that the plan counts how many of this box's windows share a reading.

        So every epsilon for a reading that is shown or charged anywhere is for at least the cut in
        force here.
        """
        promise, shared = plan.privacy.guarantee, windows_per_reading(self.task, self.slicing)
        if promise is None:
            return
        for unit, windows in promise.windows_in.items():
            if unit != "window" and windows < shared:  # whatever the unit is, it holds a reading
                raise InvalidConfiguration(
                    f"a plan that counts a {unit} in {windows} windows",
                    f"must count {shared}: that many have a value from one reading on this site, as"
                    " their steps and the longest gap have it",
                    f"Set privacy.windows_per_reading={shared} for the run, or raise windows.step"
                    " here",
                )

    def _split(self) -> Split:
        return split_of(self.task, self.slicing, self.held_out)


def yield_to_sensing() -> None:
    """Lower this process's priority below the sensing process's, once."""
    os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), _NICE))
