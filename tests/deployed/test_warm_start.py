"""A run on real sites begins with a published network, then with the model in production."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.components.description import Kind
from fl_common.files.safetensors import write_safetensors
from fl_common.params import digest
from fl_common.vocabulary import Parameters
from fl_server.cloud.build import home_of, read_config
from fl_server.repository.build import open_repository
from fl_server.repository.promotion import promote
from fl_server.rounds.checkpoint import load_latest
from models.metadata import read_metadata
from models.nets import build_net, parameters_of, spec_of
from tests.deployed.fleet import Cloud, TestSite, until
from tests.support.samples import TASK

pytestmark = pytest.mark.timeout(900)

VALUE = 0.25
"""Of each first parameter; the toy sites move them by thousandths, and chance would begin at 0."""


def weights(path: Path, shape: tuple[int, ...] | None = None) -> Parameters:
    net = build_net(spec_of("models.nets.logistic.Logistic", {}), TASK, 0)
    made = {
        name: np.full(shape or array.shape, VALUE, np.float32)
        for name, array in parameters_of(net).items()
    }
    write_safetensors(path, made, {})
    return made


def test_it_begins_there_goes_on_without_the_file_and_names_its_lineage(
    alone: None, tmp_path: Path
) -> None:
    published = tmp_path / "published.safetensors"
    given = weights(published)
    cloud = Cloud(tmp_path, {"rounds": 2, "sites": 2, "init": str(published)})
    sites = [TestSite(cloud, name) for name in ("anna", "ben")]
    try:
        cloud.start()
        for site in sites:
            site.enroll()
            site.behave(delay=0.5)
            site.process.start()
        until(lambda: cloud.round() >= 1, "a round")
        cloud.process.kill()
        published.unlink()
        cloud.start()
        init = init_of(cloud, "first")
        assert init["parameter_digest"] == digest(given)
        assert (init["run"], init["privacy"]) == (None, None)
        assert f"begins with the parameters in {published}" in cloud.log("runner")
        assert_near(cloud, "first", VALUE)
        cloud.process.kill()
        first = promoted(cloud)
        cloud = again = second(cloud)
        again.start()
        begun = init_of(again, "second")
    finally:
        for process in [cloud.process, *(site.process for site in sites)]:
            if process.popen is not None:
                process.kill()
    assert (begun["run"], begun["round"]) == (first["run"], 2)
    assert begun["parameter_digest"] == first["parameter_digest"]
    assert begun["privacy"]["init"] == init  # the whole line of what was there before
    assert_near(again, "second", VALUE)


def second(cloud: Cloud) -> Cloud:
    """The same server, whose next run begins with production."""
    privacy = {"epsilon": 100.0, "noise_multiplier": 5.0}  # beside what the first has spent
    more = {"run": "second", "init": "production", "rounds": 1, "privacy": privacy}
    ports = cloud.port, cloud.superlink_port
    return Cloud(cloud.folder, {**cloud.changes, **more}, cloud.net, cloud.evaluation, *ports)


def init_of(cloud: Cloud, run: str) -> dict[str, Any]:
    """What the published model of ``run`` says of its beginning."""
    model = cloud.home / "runs" / run / "model.onnx"
    until(model.is_file, f"the model of run {run}")
    found: dict[str, Any] = dict(read_metadata(model.read_bytes()).privacy["init"])
    return found


def promoted(cloud: Cloud) -> dict[str, Any]:
    """The lineage of the model in testing, which is in production from now on."""
    config = read_config(cloud.config, [])
    repository = open_repository(None, config["publish"]["keys"], home_of(config).components)
    promote(repository, Kind.MODEL, TASK.name, None, (), "a test begins with it")
    about = read_metadata((cloud.home / "runs" / "first" / "model.onnx").read_bytes())
    return {"run": about.run, "parameter_digest": about.parameter_digest}


def assert_near(cloud: Cloud, run: str, value: float) -> None:
    kept = load_latest(cloud.home / "runs" / run / "checkpoints")
    assert kept is not None
    for array in kept.parameters.values():
        assert np.abs(array - value).max() < 0.1


def test_parameters_of_another_shape_are_refused_in_one_line(alone: None, tmp_path: Path) -> None:
    weights(tmp_path / "other.safetensors", (2, 2))
    cloud = Cloud(tmp_path, {"init": str(tmp_path / "other.safetensors")})
    try:
        cloud.process.start()
        until(lambda: cloud.process.popen and cloud.process.popen.poll() is not None, "its end")
    finally:
        cloud.process.kill()
    said = cloud.process.log.read_text() + cloud.log("runner")
    assert cloud.process.popen is not None
    assert cloud.process.popen.returncode == 2
    assert "lacks parameters of this run's network" in said
    assert "Traceback" not in said
    assert not (cloud.home / "runs" / "first" / "init.safetensors").exists()
