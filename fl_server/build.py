"""From configuration to the server's objects: the plan, the federation, the run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fl_common.build import build
from fl_common.compression.quantisation import Compression
from fl_common.configuration import Config, above, inside, optional, require, whole
from fl_common.errors import InvalidConfiguration
from fl_common.plan import Privacy, RunPlan, TrainingPlan
from fl_common.plugins.kinds import AGGREGATOR, OPTIMISER
from fl_common.privacy.accounting import calibrate_noise, check_delta, check_epsilon
from fl_common.privacy.evaluation import EvaluationPlan
from fl_common.privacy.none import NoPrivacy
from fl_common.privacy.site_level import (
    AdaptiveClipping,
    SitePrivacyPlan,
    check_population,
    usual_bit_noise,
)
from fl_common.privacy.window_level import PrivacyPlan
from fl_common.vocabulary import NetSpec, Task
from fl_server.rounds.comparison import Incumbent
from fl_server.rounds.sampling import ClientSampling, PoissonSampling, Sampling
from fl_server.rounds.strategy import Federation, Roster
from models.nets import spec_of

_POLL_INTERVAL_S = 0.1


@dataclass(frozen=True)
class FleetFacts:
    """What must be known of the fleet to plan: sites, and windows on the smallest and largest.

    The sizes are None where nobody knows them (a deployment, a fleet too large to count).
    """

    sites: int
    smallest: int | None
    largest: int | None


def build_plan(
    config: Config, run: str, task: Task, fleet: FleetFacts, *, compares: bool = False
) -> RunPlan:
    """The run's plan; one that ``compares`` has room for an evaluation of what production has.

    Raises:
        InvalidConfiguration: a value, or a combination with the fleet, that breaks a rule.
    """
    require("rounds", config["rounds"], whole(1))
    require("seed", config["seed"], optional(whole(0)))
    try:
        return _plan(config, run, task, fleet, compares)
    except TypeError as error:
        raise InvalidConfiguration(
            "a value under training or privacy",
            f"is of the wrong type ({error})",
            "Compare your overrides with: python -m simulate --cfg job",
        ) from error


def _plan(config: Config, run: str, task: Task, fleet: FleetFacts, compares: bool) -> RunPlan:
    fields = {k: v for k, v in config["training"].items() if k != "trainer"}
    training, rounds = TrainingPlan(**fields), config["rounds"]
    privacy = _privacy(config["privacy"], task, training, rounds, fleet)
    return RunPlan(
        run=run,
        task=task,
        net=_net(config["net"]),
        training=training,
        privacy=privacy,
        rounds=rounds,
        seed=config["seed"],
        evaluation=_evaluation(config["evaluation"], privacy, rounds, compares),
        compression=_compression(config["compression"]),
    )


def _compression(node: Config) -> Compression | None:
    return None if node["share"] is None else Compression(node["share"])


def build_federation(
    config: Config, plan: RunPlan, roster: Roster, incumbent: Incumbent | None = None
) -> Federation:
    """The federation that carries out ``plan``, and compares its model with the ``incumbent``."""
    strategy = config["strategy"]
    return Federation(
        plan=plan,
        aggregator=build(strategy["aggregator"], AGGREGATOR),
        optimiser=build(strategy["optimiser"], OPTIMISER),
        sampling=_sampling(config, plan),
        roster=roster,
        round_timeout_s=strategy["round_timeout_s"],
        poll_interval_s=_POLL_INTERVAL_S,
        evaluate_every=config["evaluation"]["every"],
        largest_update_norm=_largest_norm(strategy["largest_update_norm"]),
        incumbent=incumbent,
    )


def _largest_norm(limit: float | None) -> float | None:
    require("strategy.largest_update_norm", limit, optional(above(0)))
    return limit


def check_sampling(federation: Federation, sites: Sequence[object]) -> None:
    """Raise InvalidConfiguration now when no round could choose its sites."""
    federation.sampling.choose(sites, 1, 0)


def _sampling(config: Config, plan: RunPlan) -> Sampling:
    strategy, asked = config["strategy"], config["clients_per_round"]
    if not isinstance(plan.privacy, SitePrivacyPlan):
        return ClientSampling(asked, strategy["fraction"], strategy["minimum_sites"])
    for name, value, neutral in (
        ("clients_per_round", asked, None),
        ("strategy.fraction", strategy["fraction"], 1.0),
    ):
        if value != neutral:
            raise InvalidConfiguration(
                f"{name}={value}",
                "can't be used with privacy=site, which draws each site by itself",
                "Set privacy.participation instead: the probability that a site takes part",
            )
    return PoissonSampling(plan.privacy.participation, strategy["minimum_sites"])


def _net(node: Config) -> NetSpec:
    return spec_of(node["_target_"], {k: v for k, v in node.items() if k != "_target_"})


def _privacy(
    node: Config, task: Task, training: TrainingPlan, rounds: int, fleet: FleetFacts
) -> Privacy:
    if node["unit"] == "none":
        _check_batches(training.batch_size, fleet, f"training.batch_size={training.batch_size}")
        return NoPrivacy(weights=node["weights"])
    if node["unit"] == "site":
        _check_batches(training.batch_size, fleet, f"training.batch_size={training.batch_size}")
        return _site_privacy(node, rounds, fleet.sites)
    check_epsilon(node["epsilon"])
    check_delta(node["delta"], fleet.largest)
    rate = _sampling_rate(node["sampling_rate"], training.batch_size, fleet)
    steps = training.local_epochs * max(1, round(1 / rate))
    plan = PrivacyPlan(
        clip_norm=node["clip_norm"],
        noise_multiplier=1.0 if node["noise_multiplier"] is None else node["noise_multiplier"],
        sampling_rate=rate,
        steps=steps,
        delta=node["delta"],
        epsilon_limit=node["epsilon"],
        accountant=node["accountant"],
        weights=node["weights"],
        unit=node["unit"],
        windows_per_reading=task.windows_per_reading,
    )
    return plan if node["noise_multiplier"] is not None else _calibrated(plan, rounds)


def _calibrated(plan: PrivacyPlan, rounds: int) -> PrivacyPlan:
    """The plan with the least noise that keeps the protected unit within the limit."""
    windows, limit = plan.windows_per_unit, plan.epsilon_limit
    rate = plan.spend_per_round.of_group(windows).sampling_rate
    noise = calibrate_noise(limit, plan.delta, rate, plan.steps * rounds, plan.accountant)
    return replace(plan, noise_multiplier=noise * windows)


def _evaluation(
    node: Config, privacy: Privacy, rounds: int, compares: bool
) -> EvaluationPlan | None:
    """The noise of counts on the sites: calibrated to all evaluations of the run."""
    if (every := node["every"]) is None:
        return None
    require("evaluation.every", every, whole(1))
    if not isinstance(privacy, PrivacyPlan):
        _check_public(privacy)
        return None
    noise = node["noise_multiplier"]
    plan = EvaluationPlan(1.0 if noise is None else noise, node["loss_limit"], node["epsilon"])
    if noise is not None:
        return plan
    times, limit = math.ceil(rounds / every) + compares, plan.epsilon_limit
    noise = calibrate_noise(limit, privacy.delta, 1.0, times, privacy.accountant)
    return replace(plan, noise_multiplier=noise * privacy.windows_per_unit)


def _check_public(privacy: Privacy) -> None:
    if isinstance(privacy, NoPrivacy) and privacy.weights == "examples":
        return
    raise InvalidConfiguration(
        "evaluation=federated",
        "needs privacy=window, whose noise it can add, or a plan that makes exact counts public",
        "Set evaluation=central, privacy=window or privacy=none",
    )


def _site_privacy(node: Config, rounds: int, sites: int) -> SitePrivacyPlan:
    """The noise is calibrated to every round: a site's own, if it is drawn each time."""
    check_epsilon(node["epsilon"])
    check_population(node["delta"], sites)
    participation, adaptive = node["participation"], node["adaptive_clipping"]
    require("privacy.participation", participation, inside("(0, 1]"))
    noise = node["noise_multiplier"]
    if noise is None:
        rate = participation if node["noise"] == "server" else 1.0
        noise = calibrate_noise(node["epsilon"], node["delta"], rate, rounds, node["accountant"])
    if adaptive is not None and adaptive["bit_noise"] is None:
        adaptive = {**adaptive, "bit_noise": usual_bit_noise(noise, participation * sites)}
    return SitePrivacyPlan(
        clip_norm=node["clip_norm"],
        noise_multiplier=noise,
        noise=node["noise"],
        participation=participation,
        population=sites,
        delta=node["delta"],
        epsilon_limit=node["epsilon"],
        accountant=node["accountant"],
        weights=node["weights"],
        adaptive_clipping=adaptive and AdaptiveClipping(**adaptive),
    )


def _sampling_rate(given: float | None, batch_size: int, fleet: FleetFacts) -> float:
    if given is not None:
        require("privacy.sampling_rate", given, inside("(0, 1]"))
        _check_batches(1 / given, fleet, f"privacy.sampling_rate={given}")
        return given
    if fleet.smallest is None:
        raise InvalidConfiguration(
            "privacy.sampling_rate=null",
            "can't be derived from the smallest site, whose size is not known here",
            "Set privacy.sampling_rate, for example to 0.1",
        )
    _check_batches(batch_size, fleet, f"training.batch_size={batch_size}")
    return batch_size / fleet.smallest


def _check_batches(needed: float, fleet: FleetFacts, value: str) -> None:
    if fleet.smallest is not None and fleet.smallest < needed:
        raise InvalidConfiguration(
            value,
            f"needs {needed:.0f} windows on each site, and the smallest site has {fleet.smallest}",
            "Lower the batch size, raise the sampling rate, or use fewer sites",
        )
