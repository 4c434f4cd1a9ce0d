"""The run's plan: everything that is the same on every site, as one frozen value with a digest.

The plan is sent with each instruction as JSON of a numbered format. A site compares its digest with
the one that the run began with, and refuses a plan that changes during a run.
"""

import hashlib
import json
import math
import re
from dataclasses import asdict, dataclass
from dataclasses import fields as dataclass_fields
from functools import cached_property
from typing import Any, Literal

from fl_common.compression.quantisation import Compression
from fl_common.configuration.rules import (
    Rule,
    above,
    at_least,
    inside,
    one_of,
    optional,
    require,
    require_fields,
    whole,
)
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.mechanisms import LARGEST_CLIP_NORM, SMALLEST_CLIP_NORM
from fl_common.privacy.registry import plan_class
from fl_common.privacy.unit import PrivacyPlan, check_answers
from fl_common.vocabulary import NetSpec, Parameters, Task

__all__ = [
    "FORMAT",
    "Instruction",
    "NewerPlan",
    "Optimizer",
    "RunPlan",
    "Schedule",
    "TrainingPlan",
]

FORMAT = 2
"""The newest format of plans that this version reads, and the one that it writes.

A later format adds fields. A plan that leaves them at what earlier formats do is written without
them, in the earlier format, so that an older site reads it, and its digest stays what it was.
"""

Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class TrainingPlan:
    """Local training of one round.

    Without DP a site passes ``local_epochs`` times over its windows in shuffled batches of
    ``batch_size`` (the last one may be smaller). Under DP the privacy plan's sampling rate and
    steps apply instead, so that every site spends the same.

    ``proximal_mu`` is FedProx' mu (Li et al. 2020, equation 2); 0 is FedAvg.

    Raises:
        InvalidConfiguration: a value outside its range.
    """

    optimizer: Optimizer
    learning_rate: float
    momentum: float
    weight_decay: float
    batch_size: int
    local_epochs: int
    proximal_mu: float
    schedule: Schedule

    def __post_init__(self) -> None:
        require_fields(
            "training",
            self,
            optimizer=one_of(("sgd", "adam")),
            learning_rate=above(0),
            momentum=inside("[0, 1)"),
            weight_decay=at_least(0),
            batch_size=whole(1, 10**9),
            local_epochs=whole(1, 10_000),
            proximal_mu=at_least(0),
            schedule=one_of(("constant", "cosine")),
        )


class NewerPlan(InvalidConfiguration):
    """A plan of a later format. The text has two numbers and nothing else that varies."""


@dataclass(frozen=True)
class RunPlan:
    """One federated run, as every site sees it. ``run`` is the run's identity.

    Raises:
        InvalidConfiguration: a privacy plan that can't keep what it promises, or an evaluation
            plan or a compression that does not fit it.
    """

    run: str
    task: Task
    net: NetSpec
    training: TrainingPlan
    privacy: PrivacyPlan
    rounds: int
    seed: int | None
    """Seeds batches and noise in simulation; None takes the operating system's generator."""
    evaluation: EvaluationPlan | None = None
    """Noised counts of held-out windows; None: a site under DP refuses every evaluation."""
    compression: Compression | None = None
    """How updates travel; None: as float32."""
    init: str | None = None
    """The digest of the first parameters, where they are an earlier model's (format 2)."""

    def __post_init__(self) -> None:
        require("init", self.init, optional(_DIGEST))
        check_answers(self.privacy)
        if self.evaluation is not None and self.evaluation.charged_under(self.privacy) is None:
            raise InvalidConfiguration(
                f"evaluation with noise under privacy.unit={self.privacy.unit}",
                "protects windows or readings, and nothing else",
                "Use privacy=window, or evaluation=central",
            )
        if self.compression is not None and self.privacy.noise_added_by == "server":
            raise InvalidConfiguration(
                f"compression.share={self.compression.share} under privacy.noise=server",
                "would come before the server's noise, and rounding or a site's residual could take"
                " an update beyond its clip norm",
                "Set compression=none, or privacy.noise=site",
            )

    @property
    def details(self) -> bool:
        """Whether evaluations of windows tell the details that the task's kind has."""
        return self.evaluation is None or self.evaluation.details

    def learning_rate(self, round_: int) -> float:
        """The learning rate of ``round_`` (1 to ``rounds``): constant, or half a cosine to 0."""
        base = self.training.learning_rate
        if self.training.schedule == "constant":
            return base
        return base * 0.5 * (1 + math.cos(math.pi * (round_ - 1) / self.rounds))

    def digest(self) -> str:
        """Hex sha256 of the plan's canonical JSON."""
        return self._digest

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, no spaces."""
        return self._json

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self._json.encode()).hexdigest()

    @cached_property
    def _json(self) -> str:
        fields = {"format": FORMAT, **asdict(self), "task": self.task.to_fields()}
        if self.init is None:
            del fields["init"]
            fields["format"] = FORMAT - 1
        if self.evaluation is not None:
            fields["evaluation"] = self.evaluation.to_fields()
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "RunPlan":
        """The plan that ``to_json`` wrote.

        Raises:
            NewerPlan: a plan of a later format.
            InvalidConfiguration: not such a text, or a value outside its range.
        """
        try:
            fields = json.loads(text)
            _check_format(fields)
            return RunPlan(
                run=str(fields["run"]),
                task=Task.from_fields(fields["task"]),
                net=_net(fields["net"]),
                training=TrainingPlan(**fields["training"]),
                privacy=plan_class(fields["privacy"]["unit"]).from_fields(fields["privacy"]),
                rounds=_required("rounds", fields["rounds"], whole(1, 10**9)),
                seed=_required("seed", fields["seed"], optional(whole(0, 2**63))),
                evaluation=fields["evaluation"] and EvaluationPlan(**fields["evaluation"]),
                compression=_compression(fields["compression"]),
                init=_init(fields),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidConfiguration(
                f"run plan {text[:80]!r}",
                f"is not a plan that this version reads ({type(error).__name__}: {error})",
                "Run server and sites with the same version",
            ) from error


@dataclass(frozen=True)
class Instruction:
    """The server's instruction to a site for one round: the parameters, and the plan to follow.

    ``clip_norm`` bounds the site's whole update in this round; None unless the plan is site-level.
    ``candidate`` is the component (a digest) whose shadow counts are requested.

    Raises:
        InvalidConfiguration: a clip norm that the plan does not provide for.
    """

    plan: RunPlan
    round: int
    parameters: Parameters
    clip_norm: float | None = None
    candidate: str | None = None

    def __post_init__(self) -> None:
        mechanism, given = self.plan.privacy.update_mechanism, self.clip_norm
        if mechanism is None:
            fits, rule = given is None, "must be left out: only a site-level plan has one"
        elif mechanism.adaptive_clipping is None:
            fits, rule = given == mechanism.clip_norm, f"must be the plan's, {mechanism.clip_norm}"
        else:
            fits = given is not None and SMALLEST_CLIP_NORM <= given <= LARGEST_CLIP_NORM
            rule = f"must lie in [{SMALLEST_CLIP_NORM}, {LARGEST_CLIP_NORM}]"
        if not fits:
            remedy = "Run server and sites with the same version"
            raise InvalidConfiguration(f"clip norm {given} of round {self.round}", rule, remedy)


def _check_format(fields: dict[str, Any]) -> None:
    """A field that this version does not know is an error: what it asks for would not be done."""
    asked = _required("format", fields["format"], whole(1, 10**6))
    if asked > FORMAT:
        raise NewerPlan(
            f"a plan of format {asked}",
            f"is of a later version, and this site reads format {FORMAT} at most",
            "Update the site",
        )
    if unknown := fields.keys() - _FIELDS:
        raise ValueError(f"unknown fields {sorted(unknown)[:9]}")


def _net(fields: dict[str, Any]) -> NetSpec:
    if not (isinstance(fields["target"], str) and isinstance(fields["options"], dict)):
        raise TypeError("a net has a name and named options")
    return NetSpec(**fields)


def _required(name: str, value: Any, rule: Rule) -> Any:
    require(name, value, rule)
    return value


def _compression(fields: dict[str, Any] | None) -> Compression | None:
    return None if fields is None else Compression(**fields)


def _init(fields: dict[str, Any]) -> str | None:
    """The digest that a plan of format 2 has, and no other."""
    if fields["format"] < FORMAT:
        if "init" in fields:
            raise ValueError("init is of a later format")
        return None
    return str(_required("init", fields["init"], _DIGEST))


_DIGEST = Rule(
    "must be a sha256 in hex", lambda value: re.fullmatch("[0-9a-f]{64}", value) is not None
)
_FIELDS = {"format", *(field.name for field in dataclass_fields(RunPlan))}
