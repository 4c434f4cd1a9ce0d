"""net=auto: which network by the shape of a window, and that each choice can be trained."""

from dataclasses import replace

import pytest

from fl_common.privacy.window_level import WindowPrivacyPlan
from fl_common.vocabulary import Task
from fl_server.build import with_net
from models.nets import build_net, spec_of
from models.nets.choice import AUTO, choose
from simulate.job.checks import check_net
from tests.support import samples
from tests.unit.models.net_examples import GREY, MOTION, VECTOR

CHOICES = {
    ((128, 6), True): "scale_free",
    ((128, 6), False): "scale_free",
    ((2048, 1), True): "scale_free",
    ((4, 3), True): "scale_free",
    ((128,), True): "scale_free",
    ((128,), False): "scale_free",
    ((1, 28, 28), True): "scatter",
    ((3, 32, 32), False): "scatter",
    ((3, 6, 6), True): "scale_free",
    ((28, 28), True): "scatter",
    ((8, 8), True): "scale_free",
    ((96, 96), False): "scale_free",
    ((3, 96, 128), True): "cnn2d",
    ((1, 20, 65), False): "cnn2d",
}


def task_of(shape: tuple[int, ...]) -> Task:
    like = {1: VECTOR, 2: MOTION, 3: GREY}[len(shape)]
    channels = shape[1 if len(shape) == 2 else 0]
    return replace(
        like,
        window_shape=shape,
        channels=tuple(f"c{index}" for index in range(channels)),
        units=("1",) * channels,
        center=(0.0,) * channels,
        scale=(1.0,) * channels,
        rate_hz=None,
    )


@pytest.mark.parametrize(("shape", "private"), CHOICES, ids=str)
def test_the_shape_chooses_a_network_that_trains(shape: tuple[int, ...], private: bool) -> None:
    task = task_of(shape)
    privacy = {"unit": "window" if private else "none"}
    config, choice = with_net({"net": {"_target_": AUTO}, "privacy": privacy}, task)
    assert choice is not None
    assert choice.name == CHOICES[shape, private]
    options = {key: value for key, value in config["net"].items() if key != "_target_"}
    net = build_net(spec_of(config["net"]["_target_"], options), task)
    assert isinstance(samples.WINDOW_PRIVACY, WindowPrivacyPlan)
    check_net(net, samples.WINDOW_PRIVACY, task)


def test_it_says_what_why_and_what_to_try_next() -> None:
    told = str(choose(task_of((128, 6)), private=True))
    assert told.startswith("net=auto chose net=scale_free: windows of 128 readings of 6 channels")
    assert "To try next: " in told


def test_a_scale_that_is_there_is_not_what_to_try_next() -> None:
    vectors = task_of((24,))
    assert "world.scale=private" in choose(vectors, private=True).next
    assert choose(vectors, private=True, scaled=True).next == "net=logistic"
    declared = replace(vectors, scale=(1.0,) * 23 + (9.0,))
    assert choose(declared, private=False).next == "net=logistic or net=mlp"


def test_large_images_are_brought_to_one_scale_each() -> None:
    assert choose(task_of((3, 96, 96)), private=True).options == {"per_window": True}


def test_a_square_with_a_rate_is_a_series() -> None:
    assert choose(replace(task_of((28, 28)), rate_hz=50.0), private=True).name == "scale_free"


def test_a_network_that_is_named_stays() -> None:
    config = {"net": {"_target_": "models.nets.logistic.Logistic"}, "privacy": {"unit": "none"}}
    assert with_net(config, VECTOR) == (config, None)


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1,), "single values, whose"),
        ((2,), "vectors of 2 values"),
        ((4, 3), "the values of windows of only 4 readings of 3 channels"),
        ((1, 1), "the values of windows of a single reading of one channel"),
        ((128, 1), "windows of 128 readings of one channel are described"),
        ((1, 1, 1), "images of 1 x 1 pixels are too small for wavelets"),
    ],
    ids=str,
)
def test_the_reason_fits_the_smallest_windows(shape: tuple[int, ...], says: str) -> None:
    assert says in str(choose(task_of(shape), private=True))
