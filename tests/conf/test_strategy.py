"""Each file of conf/strategy is a complete strategy that can be built."""

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import DictConfig

from fl_common.vocabulary import LocalUpdate
from fl_server.aggregation.mean import WeightedMean
from fl_server.aggregation.robust import CoordinateMedian, TrimmedMean
from fl_server.optimisers.adaptive import FedAdam, FedYogi
from fl_server.optimisers.averaging import FedAvg, FedAvgM
from fl_server.rounds.sampling import ClientSampling
from tests.support.sources import ROOT

CONF = ROOT / "conf"
EXPECTED = {
    "fedavg": (WeightedMean, FedAvg),
    "fedavgm": (WeightedMean, FedAvgM),
    "fedadam": (WeightedMean, FedAdam),
    "fedyogi": (WeightedMean, FedYogi),
    "fedprox": (WeightedMean, FedAvg),
    "trimmed_mean": (TrimmedMean, FedAvg),
    "median": (CoordinateMedian, FedAvg),
}


def composed(name: str) -> DictConfig:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(f"strategy/{name}")


def test_no_strategy_is_without_a_test() -> None:
    assert {path.stem for path in (CONF / "strategy").glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_strategy_is_complete_and_makes_a_step(name: str) -> None:
    node = composed(name).strategy
    names = {"aggregator", "optimiser", "fraction", "minimum_sites", "round_timeout_s"}
    names |= {"cut_outliers", "quorum", "grace_s"}
    assert set(node) == names
    aggregator, optimiser = instantiate(node.aggregator), instantiate(node.optimiser)
    assert (type(aggregator), type(optimiser)) == EXPECTED[name]
    assert ClientSampling(None, node.fraction, node.minimum_sites).choose(range(5), 1, 0)
    assert node.round_timeout_s > 0
    parameters = {"w": np.zeros(3, np.float32)}
    fold = aggregator.start(parameters)
    fold.add(LocalUpdate("a", "run", 1, {"w": np.ones(3, np.float32)}, 1.0))
    moved, _ = optimiser.step(parameters, fold.result(), optimiser.initial(parameters))
    assert np.all(moved["w"] > 0)


def test_fedprox_is_fedavg_with_a_proximal_term_on_the_sites() -> None:
    node = composed("fedprox")
    assert node.strategy == composed("fedavg").strategy
    assert node.training.proximal_mu > 0
