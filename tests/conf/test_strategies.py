"""Each strategy stands in the record by its own name, and so does one that a person wrote."""

from importlib.resources import files
from pathlib import Path

import pytest

from fl_server.aggregation.robust import CoordinateMedian
from fl_server.build import FleetFacts, build_federation, build_plan
from models import tasks
from simulate import configure

NAMES = {
    "fedavg": "FedAvg",
    "fedavgm": "FedAvgM",
    "fedadam": "FedAdam",
    "fedyogi": "FedYogi",
    "fedprox": "FedProx",
    "median": "CoordinateMedian",
    "trimmed_mean": "TrimmedMean",
}


class Krum(CoordinateMedian):
    """A person's own aggregator."""


def name_of(*overrides: str) -> str:
    config = configure("privacy=none", *overrides)
    plan = build_plan(config, "run", tasks.wearables(), FleetFacts(4, 99, 99))
    return build_federation(config, plan, lambda grid: []).name


def test_every_option_has_a_name_of_its_own() -> None:
    options = {Path(str(entry)).stem for entry in files("conf").joinpath("strategy").iterdir()}
    assert options - {"__pycache__"} == set(NAMES)
    assert len(set(NAMES.values())) == len(NAMES)


@pytest.mark.parametrize("option", NAMES)
def test_a_strategy_is_named_by_what_it_does(option: str) -> None:
    assert name_of(f"strategy={option}") == NAMES[option]


def test_parts_that_are_combined_are_all_named() -> None:
    own = f"strategy.aggregator._target_={__name__}.Krum"
    assert name_of("strategy=fedavg", own) == "Krum"
    assert name_of("strategy=fedavgm", own) == "Krum + FedAvgM"
    assert (
        name_of("strategy=fedavgm", own, "training.proximal_mu=0.1") == "Krum + FedAvgM + FedProx"
    )
