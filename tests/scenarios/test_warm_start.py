"""A warm start takes an earlier model's parameters, and says whose they are."""

from pathlib import Path

import numpy as np
import pytest
import torch

from fl_common.errors import BadInput
from fl_common.files.safetensors import write_safetensors
from fl_server.rounds.checkpoint import load_latest
from models.metadata import read_metadata
from simulate import Result, configure, run

QUICK = ("net=logistic", "sites=2", "privacy=none", "rounds=1")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A run under DP, and its weights beside it."""
    folder = tmp_path_factory.mktemp("first") / "run"
    result = run(configure(*QUICK, "privacy=window"), folder=folder)
    kept = load_latest(folder / "checkpoints")
    assert kept is not None
    write_safetensors(folder.parent / "mine.safetensors", kept.parameters, {})
    state = {name: torch.from_numpy(array.copy()) for name, array in kept.parameters.items()}
    torch.save(state, folder.parent / "mine.pth")
    return result


def test_each_form_begins_with_the_same_parameters(first: Result, tmp_path: Path) -> None:
    beside = first.folder.parent
    forms = (first.folder, first.model, beside / "mine.safetensors", beside / "mine.pth")
    runs = [
        run(configure(*QUICK, f"init={form}"), folder=tmp_path / f"{index}")
        for index, form in enumerate(forms)
    ]
    cold = run(configure(*QUICK), folder=tmp_path / "cold")
    assert len({one.summary["parameter_digest"] for one in runs}) == 1
    assert cold.summary["parameter_digest"] != runs[0].summary["parameter_digest"]
    for one, form in zip(runs, forms, strict=True):
        init = one.summary["init"]
        assert init["source"] == str(form)
        assert init["parameter_digest"] == first.summary["parameter_digest"]
    of_run, of_model, of_weights, of_state = (one.summary["init"] for one in runs)
    assert of_run["run"] == of_model["run"] == first.summary["run"]
    assert of_run["privacy"]["epsilon"] == pytest.approx(of_model["privacy"]["epsilon"])
    assert (of_weights["run"], of_weights["privacy"]) == (None, None)
    assert (of_state["run"], of_state["privacy"]) == (None, None)
    said = [one.summary["notes"][-1] for one in runs]
    assert "trained with epsilon 8" in said[0]
    assert "how they were trained is not known" in said[2]


def test_a_model_says_what_it_began_with_and_what_that_had_spent(tmp_path: Path) -> None:
    public = run(configure(*QUICK), folder=tmp_path / "public")
    private = [*QUICK, "privacy=window", "seed=null"]
    forms = (public.folder, public.model, public.folder / "weights.safetensors")
    for index, form in enumerate(forms):
        begun = run(configure(*private, f"init={form}"), folder=tmp_path / f"begun{index}")
        init = read_metadata(begun.model.read_bytes()).privacy["init"]
        assert init["run"] == public.summary["run"]
        assert init["privacy"]["unit"] == "none"
        assert str(tmp_path) not in f"{init}"
    again = run(configure(*private, f"init={begun.folder}"), folder=tmp_path / "again")
    told = read_metadata(again.model.read_bytes()).privacy["init"]["privacy"]
    assert told["noise_generator"] == "operating system"
    assert told["init"] == init


def test_parameters_for_windows_of_another_scale_are_said_and_no_survey_takes_them(
    tmp_path: Path,
) -> None:
    generator = np.random.default_rng(0)
    np.savez(tmp_path / "own.npz", x=generator.normal(size=(60, 3)), y=np.arange(60) % 2)
    own = (
        "task=arrays",
        f"data.path={tmp_path / 'own.npz'}",
        "partition=iid",
        "sites=2",
        *QUICK[2:],
    )
    wide = run(configure(*own, "world.scale=2"), folder=tmp_path / "wide")
    for index, form in enumerate((wide.folder, wide.model, wide.folder / "weights.safetensors")):
        other = run(configure(*own, f"init={form}"), folder=tmp_path / f"other{index}")
        assert [note for note in other.summary["notes"] if "([2, 2, 2]; here [1, 1, 1])" in note]
        same = run(configure(*own, "world.scale=2", f"init={form}"), folder=tmp_path / f"{index}")
        assert not [note for note in same.summary["notes"] if "of another" in note]
    with pytest.raises(BadInput, match=r"world.scale=private: can't be used together"):
        run(configure(*own, "world.scale=private", f"init={form}"), folder=tmp_path / "never")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weight": np.zeros((2, 2))}, r"lacks parameters of this run's network: .*\(2, 2\)"),
        ({}, r"lacks parameters of this run's network: .*missing"),
        (None, "must be an undamaged safetensors file"),
    ],
)
def test_parameters_of_another_network_are_refused(
    change: dict[str, np.ndarray] | None,
    says: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "other.safetensors"
    if change is None:
        path.write_bytes(b"\xff" * 40)
    else:
        write_safetensors(path, change, {})
    with pytest.raises(BadInput, match=says):
        run(configure(*QUICK, f"init={path}"), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", [b"\xff" * 40, b"", None, [1.0]], ids=str)
def test_a_file_that_is_no_state_is_refused(content: object, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        torch.save(content, path)
    with pytest.raises(BadInput, match="must be a module's state as torch saves it"):
        run(configure(*QUICK, f"init={path}"), folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
