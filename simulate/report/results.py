"""Result files of a run: one line per round, and a summary of the whole.

Every file is strict JSON: a figure that is not a number (a loss that has run away) is null.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl_common.components.description import Component, Stage
from fl_common.errors import InvalidConfiguration
from fl_common.files.whole import write_whole
from fl_common.plan import RunPlan
from fl_common.privacy.accounting import ACCOUNTANTS
from fl_common.vocabulary import Doubles
from models.kinds.guesses import Guess
from simulate.home import Leg
from simulate.report.confusion import Confusion
from simulate.report.versions import versions


@dataclass(frozen=True)
class RoundResult:
    """One round, as its line in ``rounds.jsonl`` and its point in the figures.

    ``refusals`` counts sites by reason; ``errors`` counts answers that never came or could not be
    used, ``cut`` updates that counted for less than they claimed. ``epsilon`` is the highest over
    sites after this round, by their ledger, for the plan's unit (0.0 without DP), ``epsilon_per``
    that of a window and of a reading where the plan protects one of them.
    ``accuracy`` (a share) and ``loss`` (nats) are those of the global model after the round; None
    where unknown.
    ``clip_norm`` is the bound on a site's whole update in this round, under a site-level plan.
    ``measures`` are those of the task's kind on the test windows, by name.
    ``on_sites`` are the figures of an evaluation on the sites (``SiteMetrics.figures``), if any.
    """

    round: int
    sites_asked: int
    updates: int
    refusals: Mapping[str, int]
    errors: int
    cut: int
    accuracy: float | None
    loss: float | None
    epsilon: float
    epsilon_per: Mapping[str, float]
    bytes_up: int
    bytes_down: int
    seconds: float
    clip_norm: float | None = None
    on_sites: Mapping[str, Any] | None = None
    measures: Mapping[str, float | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "refusals", dict(self.refusals))
        object.__setattr__(self, "epsilon_per", dict(self.epsilon_per))

    def spent(self) -> dict[str, float]:
        """Every epsilon of this round by its key in the summary and in the model's metadata.

        ``epsilon_held_out`` is that of evaluations, for a block of held-out windows.
        """
        per = {f"epsilon_per_{unit}": epsilon for unit, epsilon in self.epsilon_per.items()}
        on_sites = self.on_sites or {}
        evaluated = {"epsilon_held_out": on_sites["epsilon"]} if on_sites.get("epsilon") else {}
        return {"epsilon": self.epsilon, **per, **evaluated}

    def to_row(self) -> dict[str, Any]:
        """The fields as JSON values."""
        row: dict[str, Any] = json_value(asdict(self))
        return row

    @staticmethod
    def from_row(row: Mapping[str, Any]) -> "RoundResult":
        """The result of which ``to_row`` made ``row``; keys of others in it are passed over.

        Raises:
            InvalidConfiguration: a field is missing.
        """
        names = [each.name for each in fields(RoundResult)]
        missing = [name for name in names if name not in row]
        if missing:
            raise InvalidConfiguration(
                f"round {row.get('round', '?')} of the earlier rounds",
                f"has no {', '.join(missing)}",
                "Resume with the version that began the run",
            )
        return RoundResult(**{name: row[name] for name in names})


@dataclass(frozen=True)
class Outcome:
    """The final evaluation on the test set.

    ``per_class_accuracy`` (the share of a class's windows that was named right) is by label,
    ``accuracy_of_group`` by person or site. ``confusion`` counts which label was named which.

    ``measures`` are those of the task's kind. Where it learns numbers, there is no accuracy and
    nothing by label: ``measure_of_group`` has the first measure, and ``pairs_2N`` truth and answer
    of some windows. Where it forecasts, ``sums`` are the kind's, and ``forecasts`` some windows
    (M, C, T), what came after them (M, C, H), and what was told. Where it scores windows, ``sums``
    are the kind's, too, and ``threshold`` is the model's. ``guess`` is what needs no window.
    """

    accuracy: float | None
    loss: float
    per_class_accuracy: Mapping[str, float]
    confusion: Confusion
    accuracy_of_group: Mapping[str, float]
    measures: Mapping[str, float] = field(default_factory=dict)
    measure_of_group: Mapping[str, float] = field(default_factory=dict)
    pairs_2N: Doubles = field(default_factory=lambda: np.empty((2, 0)))
    sums: Doubles = field(default_factory=lambda: np.empty((2, 0)))
    forecasts: tuple[NDArray[Any], ...] = ()
    threshold: float | None = None
    guess: Guess | None = None


@dataclass(frozen=True)
class RunEnding:
    """What only the end of a run knows.

    Seconds are of this process: a run that was resumed has spent more, as its rounds tell.
    """

    sites: int
    strategy: str
    engine: str
    start_up_s: float
    """From the start of the program to the first round."""
    total_s: float
    parameter_digest: str
    onnx_path: str
    onnx_parity: float
    """Largest absolute difference between torch's and ONNX Runtime's outputs."""
    component: Component
    """What the repository's testing stage has now."""
    choice: str | None = None
    """Which network ``net=auto`` chose, why, and what to try next."""
    rate: str | None = None
    """Which learning rate ``training.learning_rate=auto`` is, and why."""
    notes: tuple[str, ...] = ()
    """What was left out or not done, and why."""
    legs: tuple[Leg, ...] = ()
    """The shorter runs that it has gone on from."""
    init: Mapping[str, Any] | None = None
    """Where the first parameters came from; None: from chance."""


class RoundLog:
    """``rounds.jsonl``: one JSON object a line, each in the file before ``append`` returns.

    A run that goes on from its checkpoint repeats the rounds after it, so opening the log keeps
    only rounds up to ``keep_until`` (0: none). A line that a crash left half-written is dropped.
    A power cut may cost the log its last lines, never the checkpoint: that holds the same rows.
    """

    def __init__(self, path: Path, keep_until: int) -> None:
        self._path = path
        kept = [row for row in _rows(path) if row["round"] <= keep_until]
        self.last_kept: int = max((row["round"] for row in kept), default=0)
        """The round of the last line that was kept."""
        write_text(path, "".join(_line(row) for row in kept))

    def append(self, result: RoundResult) -> None:
        """Add the line of ``result``."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(_line(result.to_row()))


def summarise(
    plan: RunPlan, rounds: Sequence[RoundResult], outcome: Outcome, ending: RunEnding
) -> dict[str, Any]:
    """The figures of a whole run, as JSON values."""
    refusals: Counter[str] = Counter()
    for result in rounds:
        refusals.update(result.refusals)
    summary = {
        "run": plan.run,
        "legs": [asdict(leg) for leg in ending.legs],
        "init": ending.init,
        "task": plan.task.name,
        "net": net_name(plan),
        "net_choice": ending.choice,
        "rate_choice": ending.rate,
        "strategy": ending.strategy,
        "engine": ending.engine,
        "sites": ending.sites,
        "rounds": len(rounds),
        "seed": plan.seed,
        "kind": plan.task.kind.name,
        "accuracy": outcome.accuracy,
        "measures": dict(outcome.measures),
        "loss": outcome.loss,
        "per_class_accuracy": outcome.per_class_accuracy,
        "on_sites": next((r.on_sites for r in reversed(rounds) if r.on_sites), None),
        **_privacy(plan, rounds),
        "bytes_up": sum(result.bytes_up for result in rounds),
        "bytes_down": sum(result.bytes_down for result in rounds),
        "seconds": _seconds(rounds, ending),
        "refusals": dict(sorted(refusals.items())),
        "plan_digest": plan.digest(),
        "parameter_digest": ending.parameter_digest,
        "onnx_path": ending.onnx_path,
        "onnx_parity": ending.onnx_parity,
        "component": _component(ending.component),
        "notes": list(ending.notes),
        "versions": versions(),
    }
    strict: dict[str, Any] = json_value(summary)
    return strict


def _component(component: Component) -> dict[str, Any]:
    named = ("kind", "name", "version", "digest")
    return {**{name: getattr(component, name) for name in named}, "stage": Stage.TESTING}


def write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Write ``summary`` as JSON, whole or not at all."""
    strict = json_value(summary)
    write_text(path, json.dumps(strict, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Put ``text`` (UTF-8) at ``path``, whole or not at all, through a crash or a power cut too."""
    write_whole(path, text.encode())


def json_value(value: Any) -> Any:
    """``value`` with every number that JSON can't hold as null."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, np.generic):
        return json_value(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def net_name(plan: RunPlan) -> str:
    """The net as an override names it: the file under ``models.nets``, or a plugin's name."""
    *_, name = plan.net.target.rpartition(".")[0].split(".")
    return name or plan.net.target


def _privacy(plan: RunPlan, rounds: Sequence[RoundResult]) -> dict[str, Any]:
    promise, mechanism = plan.privacy.guarantee, plan.privacy.mechanism
    if promise is None or mechanism is None:
        nothing = ("epsilon", "delta", "accountant", "noise_multiplier")
        return {**dict.fromkeys(nothing), "privacy_unit": plan.privacy.unit}
    return {
        **(rounds[-1].spent() if rounds else {"epsilon": 0.0}),
        "delta": promise.delta,
        "accountant": ACCOUNTANTS[promise.accountant],
        "privacy_unit": promise.unit,
        "noise_multiplier": mechanism.noise_multiplier,
    }


def _seconds(rounds: Sequence[RoundResult], ending: RunEnding) -> dict[str, Any]:
    each = [result.seconds for result in rounds]
    return {
        "total": ending.total_s,
        "start_up": ending.start_up_s,
        "per_round": sum(each) / len(each) if each else None,
        "rounds": each,
    }


def _rows(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; none where there is no log."""
    if not path.exists():
        return []
    rows = (_row(line) for line in path.read_bytes().split(b"\n"))
    return [row for row in rows if row is not None]


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("round"), int) else None


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n"
