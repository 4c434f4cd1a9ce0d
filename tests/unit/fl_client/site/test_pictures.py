"""Pictures that a box has kept, as what it trains on: with labels, by day, and a net for images."""

from pathlib import Path

import numpy as np

from fl_client.sensors import Annotation, Readings
from fl_client.store.database import open_store
from fl_client.store.window_reading import read_labelled
from fl_client.store.windows import WindowStore
from fl_client.training import LocalTask
from fl_client.training.prepared import net_for
from fl_client.windows import SECOND, Slicing, Source
from fl_client.windows.frames import Frames
from fl_client.windows.split import HeldOut, split_of
from fl_common.plan import RunPlan
from fl_common.vocabulary import LocalUpdate, NetSpec, Windows
from models.nets import parameters_of
from tests.support import samples
from tests.support.box import trainer_of
from tests.support.pictures import noise, task
from tests.support.windowing import NOW, T0

TASK = task(16, 16)
SLICING = Slicing(step=64, longest_gap_s=0.5, lateness_s=2.0, ahead_s=60.0)
COUNT = 40


def kept(path: Path) -> Windows:
    """The training windows of a store into which a camera's pictures and their labels came."""
    frames = Frames(TASK, [Source("camera", ("grey",), 1.0)], SLICING)
    for second in range(COUNT):
        pixels_NC = noise(second, 1, 256, 1) / (2 if second % 2 else 1)
        time_N = np.array([T0 + second * SECOND], np.int64)
        frames.add([Readings("camera", str(second), time_N, pixels_NC.astype(np.float32))], NOW)
    store = WindowStore(open_store(path), TASK, SLICING, 0.9)
    store.add(frames.closed())
    spans = [(T0 + second * SECOND, TASK.labels[second % 2]) for second in range(COUNT)]
    store.annotate([Annotation(str(begin), begin, begin + SECOND, one) for begin, one in spans])
    labelled = read_labelled(path, TASK, SLICING)
    return split_of(TASK, SLICING, HeldOut(piece_s=5, every=5)).training(labelled)


def test_a_box_trains_a_net_for_images_on_the_pictures_that_it_has_kept(tmp_path: Path) -> None:
    windows = kept(tmp_path / "site.sqlite")
    assert windows.values.shape == (len(windows), 1, 16, 16)
    assert len(windows) == COUNT - 5  # of its eight pieces of time one is held out
    assert {*windows.labels.tolist()} == {0, 1}
    options = {"widths": [4, 8], "kernel": 3, "norm": "group", "groups": 4}
    net = NetSpec("models.nets.cnn2d.Cnn2d", {**options, "activation": "relu", "per_window": False})
    plan: RunPlan = samples.plan(task=TASK, net=net)
    asked = LocalTask(plan, "anna", 1, parameters_of(net_for(plan)), windows)
    (update,) = trainer_of("opacus").train([asked])
    assert isinstance(update, LocalUpdate), update
    assert all(np.isfinite(delta).all() for delta in update.delta.values())
    assert np.mean([delta.any() for delta in update.delta.values()]) > 0.5
