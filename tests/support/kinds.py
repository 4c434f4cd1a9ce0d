"""Tasks of each kind, the whole way: the record of a run, a box's answer and event."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from omegaconf import DictConfig

from fl_client.inference.engine import Engine
from fl_client.inference.events import prediction_event
from fl_client.inference.prediction import Prediction
from fl_client.inference.slots import ModelSlot
from fl_common.vocabulary import Task
from simulate import run
from tests.support.engines import CALL_SECONDS, bring, no_trial

SCHEMA: dict[str, Any] = json.loads(
    files("simulate.report").joinpath("summary.schema.json").read_text("utf-8")
)
"""Of ``summary.json``."""


def check_schema(summary: Mapping[str, Any]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(summary)


def engine_of(model: Path, task: Task, folder: Path) -> Engine:
    """A box's engine that serves ``model``."""
    bring(slot := ModelSlot(folder / "slot"), model)
    engine = Engine(slot, task, 1, 8, no_trial, CALL_SECONDS)
    assert engine.swap(), engine.status().trouble
    return engine


def event_of(task: Task, prediction: Prediction, row: int = 0) -> Mapping[str, Any]:
    """The data of a prediction's event."""
    time = datetime(2026, 1, 31, 12, tzinfo=UTC)
    event = prediction_event("/sites/7", task, prediction, row, 0, "by1", time, 0.02)
    return dict(event.data)


def assert_trainers_agree(
    asked: Callable[[str], DictConfig], told: Callable[[Mapping[str, Any]], float], folder: Path
) -> None:
    """What is ``told`` by the summary is the same whichever trainer is ``asked`` for."""
    found = [
        told(run(asked(f"training={name}"), folder=folder / name).summary)
        for name in ("cohort", "opacus")
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-3)
