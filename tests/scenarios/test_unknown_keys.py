"""A key that nothing reads, and a part of the wrong kind, are refused, with what was meant."""

from pathlib import Path

import pytest

from tests.scenarios.test_command_line import QUICK, refused

CASES = [
    (["roundz=3"], ["roundz is no value of the configuration, but rounds is"]),
    (["learningrate=3"], ["but training.learning_rate is"]),
    (["training.learningrate=3"], ["but training.learning_rate is"]),
    (["epsilon=3"], ["but privacy.epsilon is"]),
    (["privacy=site", "privacy.participaton=1"], ["but privacy.participation is"]),
    (["+roundz=3"], ["configuration key roundz: is not known. Did you mean rounds?"]),
    (["++privacy.epsilonn=1"], ["key privacy.epsilonn: is not", "mean privacy.epsilon?"]),
    (
        ["privacy=none", "+privacy.epsilon=1"],
        ["key privacy.epsilon: is not known", "unit, weights"],
    ),
    (["privacy=site", "++privacy.sampling_rate=1"], ["key privacy.sampling_rate: is not known"]),
    (
        ["privacy=none", "privacy.epsilon=1"],
        ["privacy.epsilon is no value of the configuration. List"],
    ),
    (["+strategy.quorumm=1"], ["Did you mean strategy.quorum?"]),
    (["+evaluation.epsilon=1"], ["evaluation.epsilon: is not known"]),
    (["+compression.shares=1"], ["Did you mean compression.share?"]),
    (["+training.learning_rat=1"], ["Did you mean training.learning_rate?"]),
    (["+training.trainer.memory_budget=1"], ["Did you mean memory_budget_mib?"]),
    (["+strategy.optimiser.momentumm=1"], ["Did you mean momentum?"]),
    (["+world.roots=1"], ["Did you mean root?"]),
    (["+engine.worker=1"], ["Did you mean workers?"]),
    (["+publish.license=1"], ["Did you mean publish.licence?"]),
    (["+data.paths=1"], ["Did you mean data.path?"]),
    (["engine=live", "+engine.second=1"], ["Did you mean engine.seconds?"]),
    (["data.path=own.npz"], ["data.path=own.npz: is not read by this task"]),
    (
        ["net=auto", "+net.hidden=[8]"],
        ["net.hidden with net=auto: is of a network, and", "net=mlp"],
    ),
    (["net=mlp", "+net.hiden=[8]"], ["Mlp", "argument 'hiden'. Did you mean net.hidden?"]),
    (["task=arrays", "+task.knd=anomaly"], ["key task.knd: is not known. Did you mean kind?"]),
    (["task=arrays", "data.root=folder"], ["data.root=folder: is not read by this task"]),
    (["training=3"], ["training=3: must be the name of an option, such as cohort, opacus"]),
    (["engine=true"], ["engine=true: must be the name of an option"]),
    (["privacy=null"], ["such as none, site, window"]),
    (["strategy="], ["strategy=: must be the name of an option"]),
    (["world=3"], ["world=3: must be a section"]),
    (["net._target_=3"], ["net._target_=3: must be the dotted name of a class"]),
    (["strategy.optimiser._target_=3"], ["must be the dotted name of a class"]),
]


@pytest.mark.parametrize(("overrides", "words"), CASES, ids=[case[0][-1] for case in CASES])
def test_a_key_that_nothing_reads_is_refused_with_what_was_meant(
    overrides: list[str],
    words: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = refused(capsys, monkeypatch, *QUICK, *overrides, f"hydra.run.dir={tmp_path / 'out'}")
    for word in words:
        assert word in line
    assert "To append" not in line
    assert not (tmp_path / "out" / "run.json").exists()
