"""A run keeps its identity, whatever a power cut has left of its files."""

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_common.configuration.rules import Config
from fl_common.errors import InvalidConfiguration, InvalidData, RunFailed
from fl_server.cloud.build import read_config
from fl_server.cloud.planning import ConfiguredRun, build_run, identity_of, keep_settings
from fl_server.cloud.running import _incumbent
from fl_server.cloud.site_queries import _plan
from fl_server.rounds.checkpoint import Checkpoint, save
from fl_server.rounds.survey import NOT_COMPARED, spent_on
from models.kinds.anomaly import score_edges
from models.nets import build_net, parameters_of
from models.nets.survey import COUNTS, FOUND, KNOWN, survey_parameters
from models.parts.scoring import THRESHOLD
from tests.support.warm_starts import wearables_run, weights


def test_a_run_keeps_its_identity(tmp_path: Path) -> None:
    first = identity_of(tmp_path, "first")
    assert first.startswith("first-")
    assert identity_of(tmp_path, "first") == first


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}"])
def test_a_damaged_record_is_made_anew_by_the_checkpoint(tmp_path: Path, content: bytes) -> None:
    first = identity_of(tmp_path, "first")
    save(tmp_path / "checkpoints", Checkpoint(first, "plan", 1, {}, {}, ()))
    (tmp_path / "run.json").write_bytes(content)
    assert identity_of(tmp_path, "first") == first
    assert json.loads((tmp_path / "run.json").read_text()) == {"run": first}


def test_before_the_first_checkpoint_it_is_another_run(tmp_path: Path) -> None:
    first = identity_of(tmp_path, "first")
    (tmp_path / "run.json").write_bytes(b"")
    assert identity_of(tmp_path, "first") not in (first, "")


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ("strategy=fedadam", r"fl_server.optimisers.adaptive.FedAdam \(it began with"),
        ("strategy.optimiser.learning_rate=0.5", r"learning_rate=0.5 \(it began with 1.0\)"),
        ("clients_per_round=2", r"clients_per_round=2 \(it began with null\)"),
        ("task._target_=models.tasks.activity", "plan="),
    ],
)
def test_a_run_goes_on_with_the_settings_that_it_began_with(
    changed: str, says: str, tmp_path: Path
) -> None:
    def keep(*overrides: str) -> None:
        config = read_config(None, [f"home={tmp_path}", "privacy.site_windows=50", *overrides])
        keep_settings(build_run(config), config)

    keep()
    keep("strategy.minimum_sites=2", "strategy.quorum=0.8", "hosts=[other]")
    with pytest.raises(InvalidConfiguration, match=says) as caught:
        keep(changed)
    assert str(caught.value).startswith("run=first with ")


def test_a_run_begins_with_a_file_and_goes_on_with_what_that_was(tmp_path: Path) -> None:
    cold, _ = wearables_run(tmp_path)
    file = weights(tmp_path / "one.safetensors", cold.plan, 0.25)
    first, config = wearables_run(tmp_path, f"init={file}")
    assert first.beginning is not None
    assert first.plan.init == first.beginning.start.parameter_digest
    assert first.plan.digest() != cold.plan.digest()
    assert replace(first.plan, init=None).digest() == cold.plan.digest()
    keep_settings(first, config)
    weights(file, cold.plan, 0.5)
    again, _ = wearables_run(tmp_path, f"init={file}")
    assert again.plan == first.plan
    file.unlink()
    again, _ = wearables_run(tmp_path, f"init={file}")
    assert again.beginning is not None
    assert all((array == 0.25).all() for array in again.beginning.parameters.values())
    with pytest.raises(InvalidConfiguration, match=r"init=null \(it began with "):
        keep_settings(*wearables_run(tmp_path))


def test_a_run_that_began_with_chance_is_given_no_other_beginning(tmp_path: Path) -> None:
    cold, config = wearables_run(tmp_path)
    keep_settings(cold, config)
    file = weights(tmp_path / "one.safetensors", cold.plan, 0.25)
    with pytest.raises(InvalidConfiguration, match=r"\(it began with null\)"):
        keep_settings(*wearables_run(tmp_path, f"init={file}"))
    again, _ = wearables_run(tmp_path)
    assert (again.beginning, again.plan) == (None, cold.plan)


@pytest.mark.parametrize(
    ("init", "says"),
    [
        ("nowhere", "is no folder of a run|must be an undamaged safetensors file"),
        ("''", "must be a path, or production"),
        ("production", "no model wearables is in production: Promote|can't be done"),
    ],
)
def test_a_beginning_that_is_none_is_refused_and_nothing_is_kept(
    init: str, says: str, tmp_path: Path
) -> None:
    with pytest.raises((InvalidConfiguration, InvalidData), match=says):
        wearables_run(tmp_path, f"init={init}")
    assert not [*tmp_path.rglob("init.safetensors")]


def test_a_survey_of_scales_goes_before_no_run_that_begins_with_a_model(tmp_path: Path) -> None:
    file = weights(tmp_path / "one.safetensors", wearables_run(tmp_path)[0].plan, 0.25)
    with pytest.raises(InvalidConfiguration, match=r" with scale=private: can't be used together"):
        wearables_run(tmp_path, f"init={file}", "scale=private", "run=other")


PUMP = {
    "_target_": "models.tasks.declared", "name": "pump",
    "channels": ["a", "b"], "units": ["1", "1"], "rate_hz": 50, "labels": [],
    "window_shape": [16, 2], "center": [0, 0], "scale": [1, 1],
    "windows_per_reading": 1, "kind": "anomaly"}  # fmt: skip


def scoring_run(folder: Path, *words: str) -> ConfiguredRun:
    options = (f"home={folder}", "privacy.site_windows=50", "net=autoencoder", *words)
    return build_run({**read_config(None, options), "task": PUMP})


@pytest.mark.parametrize("scale", ["scale=null", "scale=private"])
def test_a_run_that_learns_scores_pays_for_the_survey_of_its_threshold(
    tmp_path: Path, scale: str
) -> None:
    run = scoring_run(tmp_path, scale)
    assert run.threshold is not None
    survey, promise = run.threshold.federation.plan, run.plan.privacy.guarantee
    assert promise is not None
    (spent,) = spent_on(survey)
    assert 0.9 < promise.epsilon([spent]) <= 1.0
    assert spent in run.federation.beside
    rounds = replace(run.plan.privacy.spend_per_round, steps=0)
    whole = [replace(rounds, steps=run.plan.privacy.spend_per_round.steps * run.plan.rounds)]
    assert 7.5 < promise.epsilon([*whole, *run.federation.beside]) <= 8.0
    assert survey.run.endswith("-threshold")


def test_a_threshold_that_no_site_tells_of_leaves_no_model(tmp_path: Path) -> None:
    run = scoring_run(tmp_path)
    scored = parameters_of(build_net(run.plan.net, run.plan.task))
    with pytest.raises(RunFailed, match=r"^survey of the threshold, round 1: .* asks again"):
        run.thresholded(scored, nobody)


def test_a_survey_of_the_threshold_that_is_done_is_not_asked_again(tmp_path: Path) -> None:
    run = scoring_run(tmp_path)
    assert run.threshold is not None
    plan = run.threshold.federation.plan
    scored = parameters_of(build_net(run.plan.net, run.plan.task))
    parameters = survey_parameters(scored, int(plan.net.options["bins"]))
    parameters[COUNTS][0, 20:22] = 50.0
    save(run.folder / "threshold", Checkpoint(plan.run, plan.digest(), 1, parameters, {}, ()))
    found, told = run.thresholded(scored, nobody)
    edges = score_edges(48)
    assert edges[20] <= found[THRESHOLD][0] <= edges[22]
    assert told["threshold"]["found"]
    assert told["threshold"]["value"] == pytest.approx(found[THRESHOLD][0])
    assert {name for name in found if not np.array_equal(found[name], scored[name])} == {THRESHOLD}


def test_a_run_of_labels_has_no_threshold(scaled_run: ConfiguredRun) -> None:
    assert scaled_run.threshold is None
    assert scaled_run.thresholded({}, nobody) == ({}, {})


@pytest.fixture
def scaled_config(tmp_path: Path) -> Config:
    options = ["privacy.site_windows=50", "scale=private", "evaluation=federated"]
    return read_config(None, [f"home={tmp_path}", *options])


@pytest.fixture
def scaled_run(scaled_config: Config) -> ConfiguredRun:
    return build_run(scaled_config)


def nobody() -> AbstractContextManager[Any]:
    raise RunFailed("round 1: no site answered")


def end_survey(run: ConfiguredRun) -> None:
    """As if its phases had found the second channel's median and spread."""
    assert run.survey is not None
    plan = run.survey.plan
    parameters = parameters_of(build_net(plan.net, plan.task))
    parameters[FOUND][1] = 9.81, 2.5, KNOWN
    kept = Checkpoint(plan.run, plan.digest(), plan.rounds, parameters, {}, ())
    save(run.folder / "scale", kept)


def test_a_survey_that_is_done_scales_the_plan_without_asking_again(
    scaled_run: ConfiguredRun,
) -> None:
    end_survey(scaled_run)
    ready, told = scaled_run.surveyed(nobody)
    before, after = scaled_run.plan.task, ready.plan.task
    assert ready.federation.plan is ready.plan
    assert (after.center[1], after.scale[1]) == pytest.approx((9.81, 2.5))
    assert (after.center[0], after.scale[0]) == (before.center[0], before.scale[0])
    assert (told["scale"]["source"], told["scale"]["channels_found"]) == ("private", 1)


def test_a_survey_that_no_site_answers_says_what_to_do(scaled_run: ConfiguredRun) -> None:
    with pytest.raises(RunFailed, match=r"survey of scales, round 1: .* or set scale=null"):
        scaled_run.surveyed(nobody)


def test_a_query_has_the_plan_that_the_sites_began_the_run_with(
    scaled_config: Config, scaled_run: ConfiguredRun
) -> None:
    with pytest.raises(InvalidConfiguration, match="run=first: has not found its scale yet"):
        _plan(scaled_config)
    end_survey(scaled_run)
    assert _plan(scaled_config).digest() == scaled_run.surveyed(nobody)[0].plan.digest()


def test_no_older_model_is_judged_by_the_scale_that_a_survey_finds(
    scaled_run: ConfiguredRun, caplog: pytest.LogCaptureFixture
) -> None:
    unread: Any = None
    assert _incumbent(unread, scaled_run) is None
    assert f"will not be compared with production: {NOT_COMPARED}" in caplog.text
