"""What a program that calls a run gets for bad input: an error of ours, and nothing written."""

from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from fl_common.errors import InvalidConfiguration, JoinTheDotsError
from simulate import configure, open_result, resume, run
from tests.support.plugins import install

QUICK = ("net=logistic", "rounds=2", "sites=4")

BAD: dict[str, Callable[[Path], object]] = {
    "roundz=3: roundz is no value of the configuration, but rounds is": lambda folder: configure(
        "roundz=3"
    ),
    "net=none: .*Could not find 'net/none'": lambda folder: configure("net=none"),
    "net=null: .*must be a string": lambda folder: configure("net=null"),
    "a b: .*": lambda folder: configure("a b"),
    "rounds=0: must be a whole number from 1": lambda folder: run(
        configure("rounds=0"), folder=folder
    ),
    "engine.workers=0: must be a whole number": lambda folder: run(
        configure("engine.workers=0"), folder=folder
    ),
    "engine=live: is watched on a terminal": lambda folder: run(
        configure("engine=live"), folder=folder
    ),
    "the configuration: has no clients_per_round, compression, ": lambda folder: run(
        {"rounds": 3}, folder=folder
    ),
    "the configuration: .*nowhere": lambda folder: run(
        OmegaConf.create({"rounds": "${nowhere}"}), folder=folder
    ),
    "is not the outputs folder of a finished run": open_result,
    "is not the outputs folder of a run": resume,
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_an_error_of_ours_and_writes_nothing(message: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(InvalidConfiguration, match=message):
        BAD[message](folder)
    assert not folder.exists()


def test_a_part_that_is_missing_from_a_configuration_is_named(tmp_path: Path) -> None:
    values = configure(*QUICK)
    del values.training.batch_size
    with pytest.raises(InvalidConfiguration, match="batch_size"):
        run(values, folder=tmp_path / "run")


FIXED = """
from torch import nn
from models.fronts import Normalise
from models.nets import Net
from models.parts.layers import zero_linear

class Fixed(nn.Module):
    def forward(self, values):
        return values.reshape(int(values.shape[0]), 128 * 6)

class Attention(Net):
    def __init__(self, task):
        super().__init__(Normalise(task), nn.Sequential(Fixed(), zero_linear(128 * 6, 7)))
"""


def test_a_net_that_can_not_be_published_is_not_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offers = {"net": {"attention": "fixed_batch.nets:Attention"}}
    install(tmp_path, monkeypatch, "fixed_batch", sources={"nets": FIXED}, offers=offers)
    values = configure(*QUICK)
    values.net = {"_target_": "fixed_batch.nets.Attention"}
    with pytest.raises(InvalidConfiguration, match=r"fixed_batch\.nets\.Attention: can't be pub"):
        run(values, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_can_not_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="outputs folder writable"):
        run(configure(*QUICK), folder=tmp_path / ("x" * 300))


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    finished = run(configure(*QUICK), folder=tmp_path / "run")
    before = (finished.folder / "summary.json").read_bytes()
    with pytest.raises(InvalidConfiguration, match="has a run already"):
        run(configure(*QUICK, "seed=5"), folder=finished.folder)
    assert (finished.folder / "summary.json").read_bytes() == before


def test_a_run_that_fails_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(JoinTheDotsError, match="0 of 4 sites sent an update") as caught:
        run(
            configure(*QUICK, "privacy.epsilon=0.01", "privacy.noise_multiplier=1.0"),
            folder=tmp_path / "run",
        )
    assert "resume(" in caught.value.__notes__[0]
