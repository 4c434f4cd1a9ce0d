"""What a box's event tells of a prediction is the prediction."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models import tasks
from models.kinds import kind_of
from simulate import configure
from simulate.engines.live.processes import declared_as
from simulate.engines.live.recordings import Message
from simulate.engines.live.score import Score, measured
from tests.support.kind_data import KINDS, kind_data
from tests.support.own_data import world_of


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_is_heard_as_the_prediction_and_measured_as_in_a_run(
    kind: str, tmp_path: Path
) -> None:
    world = world_of(configure(*kind_data(kind, tmp_path), "world.rate_hz=20"))
    task, windows = world.task, world.test().windows
    does, count = kind_of(task), len(windows)
    drawn = torch.randn(count, does.outputs, generator=torch.Generator().manual_seed(0))
    values_N = torch.from_numpy(windows.values)
    outputs_ND = drawn.abs() if kind == "anomaly" else drawn
    answers_ND = does.published(outputs_ND, values_N)[does.answer].numpy()
    score = Score("a", task)
    for row, answer_D in enumerate(answers_ND):
        told, expected_1 = does.told(answer_D.tolist()), does.chosen(answers_ND[row : row + 1])
        np.testing.assert_allclose(does.heard(told), expected_1, rtol=1e-5, atol=1e-6)
        score.sending(Message(0.0, 0, b"", 1, (row,), "", [windows.labels[row]]))
        score.receive({"window_start_ns": row, **told})
    both = windows.labels, does.chosen(answers_ND)
    assert measured([score]) == pytest.approx(does.measured(does.sums(*both)), rel=1e-3)
    assert score.right == does.right(*both).sum()


@pytest.mark.parametrize("kind", KINDS)
def test_a_node_is_given_the_task_as_it_is(kind: str, tmp_path: Path) -> None:
    task = world_of(configure(*kind_data(kind, tmp_path), "world.rate_hz=20")).task
    assert tasks.declared(**declared_as(task)) == task
