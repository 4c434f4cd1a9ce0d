"""What is measured: the overrides of ``python -m simulate`` that each workload is."""

from dataclasses import dataclass

_PLAIN_TRAINING = (
    # Said in full, so that no default of this project's is part of a comparison.
    "strategy=fedavg",
    "training.optimizer=sgd",
    "training.momentum=0",
    "training.weight_decay=0",
    "training.local_epochs=1",
    "training.proximal_mu=0",
    "training.schedule=constant",
)
_CONVOLUTIONAL = (*_PLAIN_TRAINING, "training.learning_rate=0.1", "training.batch_size=32")
_PRIVATE = (
    "training.learning_rate=0.5",  # gradients are clipped, so steps are longer than without DP
    "privacy=window",
    "privacy.clip_norm=1",
    "privacy.noise_multiplier=1",
    "privacy.epsilon=1000",  # the noise is given, so the limit must only be out of reach
)


@dataclass(frozen=True)
class Workload:
    """One job for all systems. ``{data}`` and ``{made}`` in overrides are folders.

    ``base`` is the workload whose bare loop (without DP) the times are divided by; ``peers`` are
    the systems that it is measured on beside this project.
    """

    name: str
    title: str
    overrides: tuple[str, ...]
    clients_per_round: int
    rounds: int
    peers: tuple[str, ...]
    base: str
    needs: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """B2 for B2 and B2-DP: measured together."""
        return self.name.partition("-")[0]

    @property
    def is_private(self) -> bool:
        """Whether the training is DP-SGD."""
        return self.name.endswith("-DP")


BARE, BARE_CORES = "bare, 1 process", "bare, process per core"
OPACUS, OPACUS_CORES = "Opacus, 1 process", "Opacus, process per core"
OURS, OURS_CORES = "ours, 1 worker", "ours, worker per core"
FLOWER, PFL = "Flower on Ray", "pfl"

_PLAIN = (BARE, BARE_CORES, FLOWER)
_DP = (OPACUS, OPACUS_CORES, FLOWER)

_DIGITS = ("task=digits", "data.root={data}/mnist.npz", "partition=iid", "partition.seed=0")
_ACTIVITY = ("task=activity", "data.root={data}/UCI_HAR_Dataset_reconstructed.zip")
_B2 = (*_ACTIVITY, "net=cnn1d", "rounds=20", *_CONVOLUTIONAL)
_B4 = (*_DIGITS, "sites=100", "clients_per_round=10", "net=cnn2d", "rounds=10", *_CONVOLUTIONAL)

COMPARED = (
    Workload(
        name="B1",
        title="logistic regression on MNIST: 1000 sites of 60, 10 per round, batch 10, 100 rounds",
        overrides=(
            *_DIGITS,
            "sites=1000",
            "clients_per_round=10",
            "net=logistic",
            *_PLAIN_TRAINING,
            "rounds=100",
            "training.learning_rate=0.03",
            "training.batch_size=10",
            "privacy=none",
            "engine.cohorts=1",  # a tiny net: ten sites in one stack
        ),
        clients_per_round=10,
        rounds=100,
        peers=(*_PLAIN, PFL),
        base="B1",
        needs=("mnist.npz",),
    ),
    Workload(
        name="B2",
        title="cnn1d on UCI HAR: 21 sites, 20 rounds, batch 32, no DP",
        overrides=(*_B2, "privacy=none"),
        clients_per_round=21,
        rounds=20,
        peers=(*_PLAIN, PFL),
        base="B2",
        needs=("UCI_HAR_Dataset_reconstructed.zip",),
    ),
    Workload(
        name="B2-DP",
        title="the same with DP-SGD, clip 1, noise 1",
        overrides=(*_B2, *_PRIVATE, "privacy.sampling_rate=0.0914"),  # 32 of 350 on average
        clients_per_round=21,
        rounds=20,
        peers=_DP,
        base="B2",
        needs=("UCI_HAR_Dataset_reconstructed.zip",),
    ),
    Workload(
        name="B3",
        title="mlp on arrays: 54 statistics of UCI HAR windows, 100 sites, 20 rounds, batch 16",
        overrides=(
            "task=arrays",
            "data.path={made}/statistics.npz",
            "net=mlp",
            *_PLAIN_TRAINING,
            "rounds=20",
            "training.learning_rate=0.3",
            "training.batch_size=16",
            "privacy=none",
        ),
        clients_per_round=100,
        rounds=20,
        peers=(*_PLAIN, PFL),
        base="B3",
        needs=("ucihar.npz",),
    ),
    Workload(
        name="B4",
        title="cnn2d on MNIST: 100 sites of 600, 10 per round, 10 rounds, batch 32, no DP",
        overrides=(*_B4, "privacy=none"),
        clients_per_round=10,
        rounds=10,
        peers=_PLAIN,
        base="B4",
        needs=("mnist.npz",),
    ),
    Workload(
        name="B4-DP",
        title="the same with DP-SGD, clip 1, noise 1",
        overrides=(*_B4, *_PRIVATE, "privacy.sampling_rate=0.0533"),  # 32 of 600
        clients_per_round=10,
        rounds=10,
        peers=(OPACUS, OPACUS_CORES),
        base="B4",
        needs=("mnist.npz",),
    ),
)


@dataclass(frozen=True)
class Job:
    """A job that only this project is measured on; ``overrides`` as those of a workload."""

    name: str
    overrides: tuple[str, ...]
    clients_per_round: int
    needs: tuple[str, ...] = ()


MAIN = Job("main job", (), 10)
"""What ``make simulate`` runs, with no argument."""

POPULATIONS = tuple(
    Job(
        f"B5: {sites:,} sites",
        (
            *_DIGITS,
            "partition.samples_per_site=60",
            f"sites={sites}",
            "clients_per_round=20",
            "net=logistic",
            *_PLAIN_TRAINING,
            "rounds=20",
            "training.learning_rate=0.03",
            "training.batch_size=10",
            "privacy=none",
        ),
        20,
        ("mnist.npz",),
    )
    for sites in (1_000, 10_000, 100_000, 1_000_000)
)
