"""``python -m benchmarks.privacy.sequences``: labels of readings, beside all data in one place.

Recordings of persons are joined again of public windows (``benchmarks.privacy.joined``) and cut by
``fl-simulate windows``. Beside the federated runs stand the same net with all data in one place,
detectors of scikit-learn on the same features, the best that one label a window could do, and the
usual label. Writes docs/sequence-table.md.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.measuring.measure import run_process
from benchmarks.privacy.joined import dealt, last_part, pieces, write_recording
from benchmarks.privacy.kept import KeptTable, arguments, spread, table, with_seeds
from benchmarks.privacy.runs import command, summaries, world_of
from fl_common.vocabulary import Doubles, Integers, Task, Windows
from models.kinds.sequence import usual_of
from models.parts.surroundings import Surroundings

LENGTH = 256
_HELD_OUT = 0.2
_EVERY = 8
"""Of the readings in one place scikit-learn learns each so-manieth."""
_TASK = """task:
  _target_: models.tasks.declared
  name: {name}
  channels: [{channels}]
  units: [{units}]
  rate_hz: 50
  window_shape: [{length}, {count}]
  labels: [{labels}]
  center: [{center}]
  scale: [{scale}]
  windows_per_reading: 1
  kind: sequence
"""
_ACCELERATION, _TURNING = ("ax", "ay", "az"), ("gx", "gy", "gz")
CHANNELS = (*_ACCELERATION, *_TURNING)


@dataclass(frozen=True)
class JoinedSet:
    """A public set: its ``file``, labels, channels among the file's, and how pieces are joined."""

    about: str
    file: str
    labels: tuple[str, ...]
    columns: tuple[int, ...]
    unit: str
    is_dealt: bool

    def write(self, data: Path, folder: Path) -> frozenset[str]:
        """A recording of each person; the names of those who are for the test alone."""
        arrays, tested = np.load(data / self.file), set[str]()
        for person in np.unique(arrays["subject"]).tolist():
            own_N, name = arrays["subject"] == person, f"p{person:02d}"
            values_NTC = arrays["x"][own_N][:, :, list(self.columns)]
            whole = [*pieces(values_NTC, arrays["y"][own_N])]
            if self.is_dealt:
                generator = np.random.default_rng(person)
                parts = last_part(whole, _HELD_OUT)
                whole = [piece for part in parts for piece in dealt(part, generator)]
            elif arrays["split"][own_N].any():
                tested.add(name)
            write_recording(whole, CHANNELS, self.labels, folder / f"{name}.parquet")
        return frozenset(tested)

    def task(self, name: str) -> str:
        """The declaration of its task."""
        return _TASK.format(
            name=name,
            channels=", ".join(CHANNELS),
            units=", ".join([self.unit] * 3 + ["rad/s"] * 3),
            length=LENGTH,
            count=len(CHANNELS),
            labels=", ".join(self.labels),
            center=", ".join(["0"] * len(CHANNELS)),
            scale=", ".join(["1"] * len(CHANNELS)),
        )


SETS: Mapping[str, JoinedSet] = {
    "activity": JoinedSet(
        "a smartphone at the belt (UCI HAR), six activities, 21 persons, and nine others for the"
        " test; pieces in the order of the file, which is that of the protocol",
        "ucihar.npz",
        ("walking", "upstairs", "downstairs", "sitting", "standing", "laying"),
        (6, 7, 8, 3, 4, 5),
        "g",
        is_dealt=False,
    ),
    "wearables": JoinedSet(
        "a smartwatch, seven shoulder exercises, ten persons; pieces of 2 to 8 s in an order drawn"
        " at random, the last fifth of each exercise at the end and for the test",
        "watch_shoulder.npz",
        ("PEN", "ABD", "FEL", "IR", "ER", "TRAP", "ROW"),
        (0, 1, 2, 3, 4, 5),
        "m/s2",
        is_dealt=True,
    ),
}
_WAYS: Mapping[str, tuple[str, ...]] = {
    "federated, epsilon 8": ("privacy=window",),
    "federated, no DP": ("privacy=none",),
    "one place, no DP": ("privacy=none", "data.site=none", "partition=iid", "sites=1"),
}
_LEARNERS: Mapping[str, Callable[[], object]] = {
    "one place, logistic regression": lambda: LogisticRegression(max_iter=300),
    "one place, gradient boosting": lambda: HistGradientBoostingClassifier(random_state=0),
}
_MEASURES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True)
class Row:
    """One way for one set: its measures, a run each. ``windows`` and ``mixed``: see the page."""

    name: str
    way: str
    measures: Mapping[str, tuple[float, ...]]
    command: str | None


def write_windows(name: str, data: Path, folder: Path) -> tuple[Path, Path]:
    """The file of windows of the set ``name``, and that of its task.

    Raises:
        ProcessFailed: ``fl-simulate windows`` failed.
    """
    known, recordings = SETS[name], folder / "recordings"
    recordings.mkdir()
    tested = known.write(data, recordings)
    task, made = folder / f"{name}.yaml", folder / "windows.npz"
    task.write_text(known.task(name), encoding="utf-8")
    line = [sys.executable, "-m", "simulate", "windows", str(recordings), "--task", str(task)]
    line += ["--out", str(made), f"windows.step={LENGTH}"]
    run_process(line, {}, folder / "windows.txt", 600.0)
    if tested:
        with np.load(made) as file:
            columns = {each: file[each] for each in file.files}
        split = np.where(np.isin(columns["site"], [*tested]), "test", "train")
        np.savez(made, **columns, split=split)
    return made, task


def measure(name: str, data: Path, seeds: int) -> list[Row]:
    """All ways for one set.

    Raises:
        ProcessFailed: a run failed.
    """
    rows = list[Row]()
    with TemporaryDirectory() as text:
        made, task = write_windows(name, data, Path(text))
        asked = ["task=arrays", f"data.path={made}", f"data.task={task}"]
        for way, more in _WAYS.items():
            found = [each["measures"] for each in summaries([*asked, *more], seeds)]
            measures = {each: tuple(one[each] for one in found) for each in _MEASURES}
            shown = ["task=arrays", "data.path=windows.npz", f"data.task={name}.yaml", *more]
            rows.append(Row(name, way, measures, command(shown)))
        world = world_of(asked)
        parts = [world.windows(place) for place in range(len(world.sites))]
        rows += in_one_place(name, world.task, parts, world.test().windows)
    return rows


def in_one_place(name: str, task: Task, parts: Sequence[Windows], test: Windows) -> list[Row]:
    """The learners of scikit-learn, and what needs no learning."""
    features_ND, label_N = _readings(task, parts)
    tested_MD, truth_M = _readings(task, [test])
    told: dict[str, Integers] = {}
    for way, make in _LEARNERS.items():
        learner = make_pipeline(StandardScaler(), make())
        learner.fit(features_ND[::_EVERY], label_N[::_EVERY])
        told[way] = learner.predict(tested_MD)
    told["one right label a window"] = np.repeat(usual_of(test.labels), test.labels.shape[1])
    told["the usual label"] = np.full_like(truth_M, np.bincount(label_N).argmax())
    return [Row(name, way, _measured(truth_M, said_M), None) for way, said_M in told.items()]


def _readings(task: Task, parts: Sequence[Windows]) -> tuple[Doubles, Integers]:
    """The features of each reading that the net has, and its label."""
    front = Surroundings(task)
    with torch.no_grad():
        made = [front(torch.from_numpy(part.values)).flatten(0, 1).numpy() for part in parts]
    labels_N = np.concatenate([part.labels.ravel() for part in parts])
    return np.concatenate(made).astype(np.float64), labels_N


def _measured(truth_N: NDArray[np.integer], said_N: Integers) -> dict[str, tuple[float, ...]]:
    return {
        "accuracy": (float((truth_N == said_N).mean()),),
        "balanced_accuracy": (float(balanced_accuracy_score(truth_N, said_N)),),
        "macro_f1": (float(f1_score(truth_N, said_N, average="macro", zero_division=0)),),
    }


_INTRODUCTION = """# Labels of readings, measured

What [`task.kind=sequence`](how-to/label-readings.md) reaches with everything at its default. Of the
readings in the windows that are held out; mean and standard deviation over seeds from 0, delta
1e-5. The public sets have only windows of one label each, so their recordings were joined again:
windows that continue each other are one piece, and pieces stand end to end. What a person did
between them is missing and the readings jump there, so a change may be easier or harder to see than
in a recording of one's own. Windows of {length} readings, 5.12 s, were cut by `fl-simulate windows`
without overlap.

{about}

Logistic regression and gradient boosting are scikit-learn's, on the features of `net=labeller` of
each eighth reading. "One right label a window" is the most that a model of whole windows could
reach here: beyond it, the labels of single readings are worth something.

`python -m benchmarks.privacy.sequences` measures it and writes this page."""


def to_markdown(rows: Sequence[Row], measured: str) -> str:
    """The whole page."""
    names = dict.fromkeys(row.name for row in rows)
    about = "\n".join(f"- `{name}`: {SETS[name].about}." for name in names)
    heads = ["data", "way", "accuracy", "balanced accuracy", "macro F1"]
    commands = "\n".join(row.command for row in rows if row.command)
    parts = [_INTRODUCTION.format(length=LENGTH, about=about), table(heads, map(_line, rows))]
    return "\n\n".join([*parts, measured, f"```sh\n{commands}\n```\n"])


def _line(row: Row) -> list[str]:
    return [f"`{row.name}`", row.way, *(spread(row.measures[each]) for each in _MEASURES)]


TABLE = KeptTable("sequences", "sequence-table", SETS, ("name", "way"), Row, to_markdown)


def main() -> None:
    """Exit status 1 where a run failed; what was measured stays."""
    options = with_seeds(arguments(__doc__, SETS)).parse_args()
    data = options.data.resolve()
    rows = (row for name in options.only for row in measure(name, data, options.seeds))
    TABLE.fill(rows, _line)


if __name__ == "__main__":
    main()
