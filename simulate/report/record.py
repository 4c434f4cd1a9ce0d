"""What a reader needs to check a run: its account of privacy, its figures as tables, its weights.

``summary.schema.json`` beside this file describes ``summary.json``.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fl_common.files.safetensors import write_safetensors
from fl_common.plan import RunPlan
from fl_common.vocabulary import Parameters
from fl_server.rounds.survey import ScaleRecord
from fl_server.rounds.threshold import ThresholdRecord
from models.kinds import FORECAST, MULTILABEL
from models.kinds.forecast import of_channels
from models.kinds.multilabel import of_labels
from models.lineage import ModelMetadata
from simulate.report.results import Outcome, RoundResult, json_value, write_text

_MOST_CLASSES = 200
"""Up to here the whole confusion matrix is kept."""
_MOST_CONFUSIONS = 100


def checkable(
    plan: RunPlan, outcome: Outcome, scale: ScaleRecord, threshold: ThresholdRecord | None = None
) -> dict[str, Any]:
    """For ``summary.json``: all from which epsilon and the report's figures can be computed.

    ``privacy_plan`` is the plan's own, ``spend_per_round`` what a round costs a site that takes
    part: ``steps`` Gaussian mechanisms on Poisson samples, and nothing without DP. ``scale`` and
    ``threshold`` have what surveys have cost beside that.
    """
    spends = [plan.privacy.spend_per_round] if plan.privacy.guarantee else []
    labels, confusion = plan.task.labels, outcome.confusion
    small = len(labels) <= _MOST_CLASSES
    found: dict[str, Any] = json_value(
        {
            "privacy_plan": json.loads(plan.to_json())["privacy"],
            "spend_per_round": [asdict(spend) for spend in spends],
            "scale": asdict(scale),
            "threshold": threshold and asdict(threshold),
            "guess": outcome.guess and outcome.guess.fields(),
            "labels": list(labels),
            "confusion": confusion.matrix(range(len(labels))).tolist() if small else None,
            "most_confused": [
                [labels[truth], labels[named], count]
                for truth, named, count in confusion.mistakes()[:_MOST_CONFUSIONS]
            ],
            "accuracy_of_group": dict(outcome.accuracy_of_group),
            "measure_of_group": dict(outcome.measure_of_group),
            "measures_of_label": of_labels(plan.task, outcome.sums)
            if plan.task.kind.name == MULTILABEL
            else {},
            "measures_of_channel": of_channels(plan.task.channels, outcome.sums)
            if plan.task.kind.name == FORECAST
            else {},
        }
    )
    return found


def write_rounds_table(path: Path, rounds: Sequence[RoundResult]) -> None:
    """Write a line for each of ``rounds`` as CSV; what is a mapping has a column for each key."""
    rows = [_flat(result.to_row()) for result in rounds]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval=0, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def write_weights(path: Path, of_model: ModelMetadata, parameters: Parameters) -> None:
    """Write the final parameters with what the published model says of whose they are."""
    about = {
        "run": of_model.run,
        "round": str(of_model.round),
        "privacy": json.dumps(of_model.privacy),
        "parameter_digest": of_model.parameter_digest,
    }
    write_safetensors(path, parameters, about)


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` without mappings: ``refusals_budget`` for the key ``budget`` of ``refusals``."""
    plain = {name: value for name, value in row.items() if not isinstance(value, dict)}
    nested = [(name, value) for name, value in row.items() if isinstance(value, dict)]
    return plain | {
        f"{name}_{key}": inner for name, value in nested for key, inner in value.items()
    }
