"""``python -m benchmarks.privacy.multilabel``: several labels a window, beside data in one place.

Smartwatch windows of ten persons at shoulder exercises are labelled with what the arm does: raised,
rotation, band, or none of it. The federated runs have the defaults of ``task=arrays``; the baseline
is scikit-learn's logistic regression for each label (one versus rest) on the windows of all persons
together, without DP: on the raw readings, and on statistics of each channel. Prints the table of
docs/reference/kinds.md: mean and deviation over seeds from 0, on windows of later readings.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.privacy.kept import spread, table, with_seeds
from benchmarks.privacy.runs import summaries, world_of
from fl_common.vocabulary import Doubles, Floats

OF_EXERCISE = {
    "ABD": "raised",
    "FEL": "raised",
    "IR": "rotation;band",
    "ER": "rotation;band",
    "TRAP": "band",
    "ROW": "band;raised",
}
"""What an arm does in each exercise; the pendulum is none of it."""
LABELS = ("band", "raised", "rotation")
_PRIVACIES = ("none", "window")
_SEEDS = 5
_MEASURES = ("macro_f1", "micro_f1", "exact_match")


def write_exercises(path: Path) -> None:
    """The windows, what is done in them, the persons, and what is for the test."""
    world = world_of(["task=wearables"])
    test, names = world.test(), world.task.labels
    parts = [world.windows(place) for place in range(len(world.sites))]
    sites = np.repeat(world.sites, [len(part) for part in parts])
    label_N = np.concatenate([*(part.labels for part in parts), test.windows.labels])
    np.savez(
        path,
        x=np.concatenate([*(part.values for part in parts), test.windows.values]),
        y=np.array([OF_EXERCISE.get(names[label], "") for label in label_N]),
        site=np.concatenate([sites, np.array(test.groups)[test.group_of]]),
        split=np.repeat(["train", "test"], [len(sites), len(test.windows)]),
    )


def federated(path: Path, privacy: str, seeds: int) -> list[Mapping[str, float]]:
    """The measures of runs with the defaults."""
    asked = ("task=arrays", f"data.path={path}", "task.kind=multilabel", f"privacy={privacy}")
    return [each["measures"] for each in summaries(asked, seeds)]


def centralised(path: Path, *, statistics: bool) -> Mapping[str, float]:
    """The same measures of one logistic regression a label on all windows in one place."""
    arrays = np.load(path)
    has_NK = np.array([[label in text.split(";") for label in LABELS] for text in arrays["y"]])
    is_test_N = arrays["split"] == "test"
    rows_ND = _statistics(arrays["x"]) if statistics else arrays["x"].reshape(len(has_NK), -1)
    one = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    fitted = OneVsRestClassifier(one).fit(rows_ND[~is_test_N], has_NK[~is_test_N])
    both = has_NK[is_test_N], fitted.predict(rows_ND[is_test_N])
    return {
        "macro_f1": float(f1_score(*both, average="macro")),
        "micro_f1": float(f1_score(*both, average="micro")),
        "exact_match": float((both[0] == both[1]).all(1).mean()),
    }


def _statistics(x_NTC: Floats) -> Doubles:
    """Mean, spread, least, greatest and mean step of each channel."""
    step_NC = np.abs(np.diff(x_NTC, axis=1)).mean(1)
    each = (x_NTC.mean(1), x_NTC.std(1), x_NTC.min(1), x_NTC.max(1), step_NC)
    return np.concatenate(each, axis=1).astype(np.float64)


def _row(name: str, found: Sequence[Mapping[str, float]]) -> list[str]:
    return [name, *(spread([one[measure] for one in found]) for measure in _MEASURES)]


def main() -> None:
    """Measure, and print the table. Exit status 1 where a run failed."""
    parser = with_seeds(argparse.ArgumentParser(description=__doc__.splitlines()[0]), _SEEDS)
    seeds, rows = parser.parse_args().seeds, list[list[str]]()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "exercises.npz"
        write_exercises(path)
        for statistics, name in ((False, "raw readings"), (True, "statistics of each channel")):
            found = [centralised(path, statistics=statistics)]
            rows.append(_row(f"one place, one versus rest, {name}", found))
        for privacy, name in zip(_PRIVACIES, ("without DP", "epsilon 8"), strict=True):
            rows.append(_row(f"ten sites, {name}", federated(path, privacy, seeds)))
    heads = ["", "macro F1", "micro F1", "exact match"]
    Console(highlight=False, soft_wrap=True).print(table(heads, rows))


if __name__ == "__main__":
    main()
