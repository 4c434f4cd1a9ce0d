"""A survey of scales on real boxes, before the first round of a run."""

from pathlib import Path

from models.metadata import read_metadata
from tests.deployed.fleet import Cloud, TestSite, until


def test_boxes_answer_a_survey_and_are_charged_for_it_before_they_train(
    alone: None, tmp_path: Path
) -> None:
    privacy = {"sampling_rate": 0.25, "epsilon": 8.0}
    cloud = Cloud(tmp_path, {"scale": "private", "rounds": 1, "sites": 2, "privacy": privacy})
    sites = [TestSite(cloud, name) for name in ("anna", "ben")]
    model = cloud.home / "runs" / "first" / "model.onnx"
    try:
        cloud.start()
        for site in sites:
            site.enroll()
            site.behave()
            site.process.start()
        until(model.is_file, "the model of the run")
    finally:
        for process in [cloud.process, *(site.process for site in sites)]:
            if process.popen is not None:
                process.kill()
    scale = read_metadata(model.read_bytes()).privacy["scale"]
    assert scale["source"] == "private"
    assert 0.4 < scale["epsilon"] <= 0.5
    for site in sites:
        charged = site.rounds_charged()
        assert charged.total() == 5
        assert sum(count for key, count in charged.items() if scale["run"] in key) == 4
        assert site.rounds_trained().total() == 1
