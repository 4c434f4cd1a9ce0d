"""The run's plan: everything that every site does alike, as one frozen value with a digest.

The plan travels with each instruction as JSON. A site compares its digest with the one the run
began with; a plan that changes in mid-run is refused.
"""

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal

from fl_common.compression.quantisation import Compression
from fl_common.errors import InvalidConfiguration
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import AdaptiveClipping, SitePrivacyPlan
from fl_common.privacy.window_level import PrivacyPlan
from fl_common.vocabulary import NetSpec, Parameters, Task

__all__ = [
    "Instruction",
    "Optimizer",
    "Privacy",
    "RunPlan",
    "Schedule",
    "TrainingPlan",
]

Privacy = PrivacyPlan | SitePrivacyPlan | NoPrivacy
Optimizer = Literal["sgd", "adam"]
Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class TrainingPlan:
    """Local training of one round.

    Without DP a site passes ``local_epochs`` times over its windows in shuffled batches of
    ``batch_size`` (the last one may be smaller). Under DP the privacy plan's sampling rate and
    steps rule instead, so that every site spends the same.

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
        rules = (
            ("optimizer", self.optimizer in ("sgd", "adam"), "must be sgd or adam"),
            ("learning_rate", 0 < self.learning_rate < math.inf, "must be above 0"),
            ("momentum", 0 <= self.momentum < 1, "must lie in [0, 1)"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "must be at least 0"),
            ("batch_size", self.batch_size >= 1, "must be at least 1"),
            ("local_epochs", self.local_epochs >= 1, "must be at least 1"),
            ("proximal_mu", 0 <= self.proximal_mu < math.inf, "must be at least 0"),
            ("schedule", self.schedule in ("constant", "cosine"), "must be constant or cosine"),
        )
        for name, holds, rule in rules:
            if not holds:
                value = getattr(self, name)
                raise InvalidConfiguration(
                    f"training.{name}={value}", rule, f"Set training.{name} to such a value"
                )


@dataclass(frozen=True)
class RunPlan:
    """One federated run, as every site sees it. ``run`` is the run's identity.

    Raises:
        InvalidConfiguration: an evaluation plan or a compression that does not fit the privacy
            plan.
    """

    run: str
    task: Task
    net: NetSpec
    training: TrainingPlan
    privacy: Privacy
    rounds: int
    seed: int | None
    """Seeds batches and noise in simulation; None takes the operating system's generator."""
    evaluation: EvaluationPlan | None = None
    """Noised counts of held-out windows; None: a site under DP refuses every evaluation."""
    compression: Compression | None = None
    """How updates travel; None: as float32."""

    def __post_init__(self) -> None:
        if self.evaluation is not None and not isinstance(self.privacy, PrivacyPlan):
            raise InvalidConfiguration(
                f"evaluation with noise under privacy.unit={self.privacy.unit}",
                "protects windows or readings, and nothing else",
                "Use privacy=window, or evaluation=central",
            )
        privacy = self.privacy
        if (
            self.compression is not None
            and isinstance(privacy, SitePrivacyPlan)
            and privacy.noise == "server"
        ):
            raise InvalidConfiguration(
                f"compression.share={self.compression.share} under privacy.noise=server",
                "would come before the server's noise, and rounding or a site's residual could take"
                " an update beyond its clip norm",
                "Set compression=none, or privacy.noise=site",
            )

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
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> "RunPlan":
        """The plan that ``to_json`` wrote.

        Raises:
            InvalidConfiguration: not such a text, or a value outside its range.
        """
        try:
            fields = json.loads(text)
            return RunPlan(
                run=str(fields["run"]),
                task=_task(fields["task"]),
                net=NetSpec(**fields["net"]),
                training=TrainingPlan(**fields["training"]),
                privacy=_privacy(fields["privacy"]),
                rounds=int(fields["rounds"]),
                seed=fields["seed"],
                evaluation=fields["evaluation"] and EvaluationPlan(**fields["evaluation"]),
                compression=_compression(fields["compression"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidConfiguration(
                f"run plan {text[:80]!r}",
                f"is not a plan that this version reads ({type(error).__name__}: {error})",
                "Run server and sites with the same version",
            ) from error


@dataclass(frozen=True)
class Instruction:
    """What the server asks of a site in one round: take these parameters and follow the plan.

    ``clip_norm`` bounds the site's whole update in this round; None but under a site-level plan.
    ``candidate`` is the component (a digest) that a question about a shadow is about.

    Raises:
        InvalidConfiguration: a clip norm that the plan does not provide for.
    """

    plan: RunPlan
    round: int
    parameters: Parameters
    clip_norm: float | None = None
    candidate: str | None = None

    def __post_init__(self) -> None:
        privacy, given = self.plan.privacy, self.clip_norm
        if not isinstance(privacy, SitePrivacyPlan):
            fits, rule = given is None, "must be left out: only a site-level plan has one"
        elif privacy.adaptive_clipping is None:
            fits, rule = given == privacy.clip_norm, f"must be the plan's, {privacy.clip_norm}"
        else:
            fits = given is not None and 0 < given < math.inf
            rule = "must be a finite number above 0"
        if not fits:
            remedy = "Run server and sites with the same version"
            raise InvalidConfiguration(f"clip norm {given} of round {self.round}", rule, remedy)


def _task(fields: dict[str, Any]) -> Task:
    tuples: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
    }
    return Task(**tuples)


def _compression(fields: dict[str, Any] | None) -> Compression | None:
    return None if fields is None else Compression(**fields)


def _privacy(fields: dict[str, Any]) -> Privacy:
    if fields["unit"] == "site":
        adaptive = fields["adaptive_clipping"]
        return SitePrivacyPlan(
            **{**fields, "adaptive_clipping": adaptive and AdaptiveClipping(**adaptive)}
        )
    kinds: dict[str, type[PrivacyPlan] | type[NoPrivacy]] = {
        "window": PrivacyPlan,
        "reading": PrivacyPlan,
        "none": NoPrivacy,
    }
    return kinds[fields["unit"]](**fields)
