"""Two data sets that differ in one window, and what a trainer makes of each."""

import numpy as np

from fl_client.training import LocalTask, Trainer
from fl_client.training.prepared import net_for
from fl_common.plan import RunPlan
from fl_common.vocabulary import Floats, LocalUpdate, Parameters, Windows
from models.nets import parameters_of


def with_window(windows: Windows, values: Floats, label: int, place: int) -> Windows:
    """The windows with one more at ``place``."""
    return Windows(
        np.insert(windows.values, place, values, axis=0),
        np.insert(windows.labels, place, label),
        np.zeros(len(windows) + 1, np.int64),
        windows.blocks,
    )


def clipped_sums(
    trainer: Trainer, plan: RunPlan, sites: list[Windows], parameters: Parameters | None = None
) -> list[Floats]:
    """Each site's sum of one step; all sites have one name, so that their noise is the same."""
    parameters = parameters or parameters_of(net_for(plan))
    tasks = [LocalTask(plan, "site", 1, parameters, windows) for windows in sites]
    sums = []
    mechanism = plan.privacy.sample_mechanism
    assert mechanism is not None
    for update in trainer.train(tasks):
        assert isinstance(update, LocalUpdate), update
        delta = np.concatenate([array.ravel() for array in update.delta.values()])
        sums.append(-delta * np.float32(mechanism.expected_batch / plan.training.learning_rate))
    return sums
