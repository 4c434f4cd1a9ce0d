"""From configuration to the server's objects: the plan, the federation, the run."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.resources import files

from omegaconf import OmegaConf

from fl_common.compression.quantisation import Compression
from fl_common.configuration.keys import all_read
from fl_common.configuration.kinds import CLASS, PART
from fl_common.configuration.rules import Config, Rule, above, optional, require, whole
from fl_common.configuration.settings import PLAN, Settings, flat
from fl_common.errors import InvalidConfiguration
from fl_common.plan import RunPlan, TrainingPlan
from fl_common.plugins.build import build
from fl_common.plugins.kinds import AGGREGATOR, OPTIMISER
from fl_common.privacy.accounting import Spend
from fl_common.privacy.unit import WITHOUT_DP, PlanningFacts, PrivacyPlan
from fl_common.vocabulary import NetSpec, Task
from fl_server.rounds.calibration import evaluation_plan, privacy_plan, uses_of
from fl_server.rounds.comparison import Incumbent
from fl_server.rounds.quorum import Quorum
from fl_server.rounds.roster import Roster
from fl_server.rounds.sampling import ClientSampling, PoissonSampling, Sampling
from fl_server.rounds.strategy import Federation
from fl_server.rounds.training import rate_of, training_of
from models.nets import spec_of
from models.nets.choice import AUTO, Choice, choose

_POLL_INTERVAL_S = 0.1
_EVALUATION = Rule("must be a section with every", lambda value: "every" in dict(value))
_PRIVACY = Rule("must be a section with a unit", lambda value: isinstance(value["unit"], str))
_DECISIVE = ("clients_per_round", "compression", "evaluation", "net", "privacy", "rounds", "scale",
             "seed", "strategy", "training")  # fmt: skip
_PARTS: Mapping[str, Sequence[str]] = {
    "compression": (),
    "evaluation": (),
    "privacy": ("accountant", "adaptive_clipping", "clip_norm", "delta", "epsilon", "noise",
                "noise_multiplier", "participation", "sampling_rate", "site_windows", "uses",
                "windows_per_reading"),
}  # fmt: skip
"""Parts of a plan, with what an experiment may set where another option is chosen over its own."""
_WAITING = ("grace_s", "minimum_sites", "quorum", "round_timeout_s")


@dataclass(frozen=True)
class FleetFacts:
    """Facts about the fleet that planning needs: the number of sites, and of windows on some.

    These are the median and the largest.
    The sizes are None if they are unknown (a deployment, a fleet too large to count).
    """

    sites: int
    typical: int | None
    largest: int | None


def with_net(config: Config, task: Task, *, scaled: bool = False) -> tuple[Config, Choice | None]:
    """``config`` with the network that ``net=auto`` stands for, and the choice; None: it names one.

    Its options are those of its file under conf/net. ``scaled``: a survey will find the scale.

    Raises:
        InvalidConfiguration: no network, an option of one that is not chosen yet, or no privacy.
    """
    require("net", config["net"], PART)
    require("net._target_", config["net"]["_target_"], CLASS)
    require("privacy", config["privacy"], _PRIVACY)
    if config["net"]["_target_"] != AUTO:
        return config, None
    _check_left(config["net"])
    private = config["privacy"].get("unit") != WITHOUT_DP
    choice = choose(task, private=private, scaled=scaled)
    file = files("conf").joinpath("net", f"{choice.name}.yaml")
    node = OmegaConf.to_container(OmegaConf.create(file.read_text("utf-8")))
    assert isinstance(node, dict)
    return {**config, "net": {**node, **choice.options}}, choice


def _check_left(net: Mapping[str, object]) -> None:
    """Refuse options of a network that ``net=auto`` has yet to choose: nothing would read them."""
    for name in sorted(map(str, net.keys() - {"_target_"})):
        raise InvalidConfiguration(
            f"net.{name} with net=auto",
            "is of a network, and which it is to be is not said",
            f"Name it, as in net=mlp net.{name}=..., or leave net.{name} out",
        )


def build_plan(
    config: Config,
    run: str,
    task: Task,
    fleet: FleetFacts,
    *,
    compares: bool = False,
    beside: tuple[Spend, ...] = (),
) -> RunPlan:
    """The run's plan; with ``compares`` it reserves an evaluation of the model in production.

    ``beside`` is what each unit spends beside the rounds, within the same limit.

    Raises:
        InvalidConfiguration: a value breaks a rule, alone or for this fleet.
    """
    require("rounds", config["rounds"], whole(1))
    require("seed", config["seed"], optional(whole(0)))
    require("evaluation", config["evaluation"], _EVALUATION)
    config, _ = with_net(config, task)
    try:
        return _plan(config, run, task, fleet, compares, beside)
    except TypeError as error:
        raise InvalidConfiguration(
            "a value under training or privacy",
            f"is of the wrong type ({error})",
            "Compare your overrides with: python -m simulate --cfg job",
        ) from error


def _plan(
    config: Config,
    run: str,
    task: Task,
    fleet: FleetFacts,
    compares: bool,
    beside: tuple[Spend, ...],
) -> RunPlan:
    training, rounds = training_of(config["training"]), config["rounds"]
    with ExitStack() as parts:
        node = {
            part: parts.enter_context(all_read(part, config[part], others))
            for part, others in _PARTS.items()
        }
        uses = uses_of(node["privacy"])
        charged = rounds * uses, beside * uses
        privacy = _privacy(node["privacy"], task, training, charged, fleet)
        if (rate := rate_of(config, task, privacy, fleet.sites)) is not None:
            training = replace(training, learning_rate=rate.value)
        return RunPlan(
            run=run,
            task=task,
            net=_net(config["net"]),
            training=training,
            privacy=privacy,
            rounds=rounds,
            seed=config["seed"],
            evaluation=evaluation_plan(
                node["evaluation"], task, privacy, rounds, uses, compares=compares
            ),
            compression=_compression(node["compression"]),
        )


def rate_said(config: Config, plan: RunPlan, sites: int) -> str | None:
    """The learning rate of ``plan`` in a fleet of ``sites``, and why; None: ``config`` has it."""
    rate = rate_of(config, plan.task, plan.privacy, sites)
    return None if rate is None else str(rate)


def _compression(node: Config) -> Compression | None:
    return None if node["share"] is None else Compression(node["share"])


def build_federation(
    config: Config,
    plan: RunPlan,
    roster: Roster,
    incumbent: Incumbent | None = None,
    beside: Sequence[Spend] = (),
) -> Federation:
    """The federation that performs ``plan``, and compares its model with the ``incumbent``.

    ``beside`` is what its sites have spent before.
    """
    with all_read("strategy", config["strategy"]) as strategy:
        config = {**config, "strategy": strategy}
        require("strategy.round_timeout_s", strategy["round_timeout_s"], above(0))
        return Federation(
            plan=plan,
            aggregator=build(strategy["aggregator"], AGGREGATOR, at="strategy.aggregator"),
            optimiser=build(strategy["optimiser"], OPTIMISER, at="strategy.optimiser"),
            sampling=_sampling(config, plan),
            roster=roster,
            round_timeout_s=strategy["round_timeout_s"],
            poll_interval_s=_POLL_INTERVAL_S,
            evaluate_every=config["evaluation"]["every"],
            cut_outliers=_switch(strategy["cut_outliers"]),
            quorum=build_quorum(config),
            incumbent=incumbent,
            beside=beside,
        )


def build_quorum(config: Config) -> Quorum:
    """Whom a round waits for."""
    strategy = config["strategy"]
    return Quorum(strategy["quorum"], strategy["grace_s"], strategy["minimum_sites"])


def settings_of(config: Config, plan: RunPlan) -> Settings:
    """All that a server decides about the result of the run that performs ``plan``.

    How long it waits, and for whom, is left out: its owner may change that while the fleet changes.
    """
    parts = {name: config[name] for name in _DECISIVE}
    parts |= {"scale_epsilon": config["scale_epsilon"]} if config["scale"] else {}
    chosen = flat({**parts, "training": {**config["training"], "trainer": None}})
    waiting = {f"strategy.{name}" for name in _WAITING}
    return {
        **{key: value for key, value in chosen.items() if key not in waiting},
        PLAN: replace(plan, run="").digest(),
    }


def _switch(value: bool) -> bool:
    rule = Rule("must be true or false", lambda value: isinstance(value, bool))
    require("strategy.cut_outliers", value, rule)
    return value


def check_sampling(federation: Federation, sites: Sequence[object]) -> None:
    """Raise InvalidConfiguration early if no round could sample its sites."""
    federation.sampling.choose(sites, 1, 0)


def _sampling(config: Config, plan: RunPlan) -> Sampling:
    strategy, asked = config["strategy"], config["clients_per_round"]
    if (mechanism := plan.privacy.update_mechanism) is None:
        return ClientSampling(asked, strategy["fraction"], strategy["minimum_sites"])
    for name, value, neutral in (
        ("clients_per_round", asked, None),
        ("strategy.fraction", strategy["fraction"], 1.0),
    ):
        if value != neutral:
            raise InvalidConfiguration(
                f"{name}={value}",
                "can't be used with privacy=site, which samples each site independently",
                "Set privacy.participation instead: the probability that a site takes part",
            )
    return PoissonSampling(mechanism.participation, strategy["minimum_sites"])


def _net(node: Config) -> NetSpec:
    return spec_of(node["_target_"], {k: v for k, v in node.items() if k != "_target_"})


def _privacy(
    node: Config,
    task: Task,
    training: TrainingPlan,
    charged: tuple[int, tuple[Spend, ...]],
    fleet: FleetFacts,
) -> PrivacyPlan:
    """``charged`` are the rounds that a block takes part in, and what it spends beside them."""
    rounds, beside = charged
    facts = PlanningFacts(
        rounds=rounds,
        batch_size=training.batch_size,
        local_epochs=training.local_epochs,
        windows_per_reading=task.windows_per_reading,
        sites=fleet.sites,
        typical=fleet.typical,
        largest=fleet.largest,
        beside=beside,
    )
    return privacy_plan(node, facts)
