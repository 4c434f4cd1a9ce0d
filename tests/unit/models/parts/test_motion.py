"""Hand-made features of motion sensors: whose axes are whose, and what the numbers mean."""

from dataclasses import replace

import pytest
import torch

from fl_common.vocabulary import Task
from models.parts.motion import MotionFeatures
from tests.unit.models.net_examples import MOTION, readings


def test_motion_features_do_not_depend_on_the_unit() -> None:
    in_si = replace(
        MOTION, units=("m/s2",) * 3 + ("deg/s",) * 3, scale=(1.0,) * 3 + (57.29578 * 2.5,) * 3
    )
    values_NTC = torch.from_numpy(readings(MOTION, 4))
    factors_C = torch.tensor([9.80665] * 3 + [57.29578] * 3)
    torch.testing.assert_close(
        MotionFeatures(in_si)(values_NTC * factors_C),
        MotionFeatures(MOTION)(values_NTC),
        rtol=1e-4,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("channels", "axes", "gravity"),
    [
        (("acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z"), [3, 3], [True, False]),
        (("ax", "ay", "az", "wx", "wy", "wz"), [3, 3], [True, False]),
        (("body_acc_x", "body_acc_y", "body_acc_z", "q", "p", "r"), [3, 1, 1, 1], [False] * 4),
    ],
)
def test_axes_of_one_sensor_are_found_by_name(
    channels: tuple[str, ...], axes: list[int], gravity: list[bool]
) -> None:
    sensors = MotionFeatures(replace(MOTION, channels=channels)).sensors
    assert [sensor.axes for sensor in sensors] == axes
    assert [sensor.feels_gravity for sensor in sensors] == gravity


def test_motion_features_see_gravity_and_the_band_of_a_swing() -> None:
    motion = MotionFeatures(MOTION)
    time_T = torch.arange(32) / 32
    still_NTC = torch.zeros(1, 32, 6)
    still_NTC[:, :, 2] = 1.0
    swinging_NTC = still_NTC.clone()
    swinging_NTC[0, :, 3] += 0.5 * torch.sin(2 * torch.pi * 4 * time_T)
    power_SB = motion._band_power(motion._signals(swinging_NTC - still_NTC))[0]
    assert int(power_SB[4].argmax()) == 3  # the fourth band ends at 4 cycles per window
    assert motion(swinging_NTC).shape == (1, motion.size)
    (up, squares, products) = motion._gravity(motion._signals(still_NTC).mean(1))
    torch.testing.assert_close(up[0], torch.tensor([0.0, 0.0, 1.0]), rtol=0, atol=1e-3)
    torch.testing.assert_close(squares[0], up[0] ** 2)
    torch.testing.assert_close(products[0], torch.zeros(3))


@pytest.mark.parametrize("length", [8, 9, 50, 300])
@pytest.mark.parametrize(
    ("channels", "units"),
    [(("heat",), ("Cel",)), (("p_x", "p_y", "q"), ("m/s2", "m/s2", "K")), (("a", "b"), ("g", "g"))],
)
def test_motion_features_take_any_sensors(
    length: int, channels: tuple[str, ...], units: tuple[str, ...]
) -> None:
    count = len(channels)
    center, scale = (20.0,) * count, (3.0,) * count
    task = Task("any", channels, units, 10.0, (length, count), ("a", "b"), center, scale, 1)
    motion = MotionFeatures(task)
    features_NF = motion(torch.from_numpy(readings(task, 2)))
    assert features_NF.shape == (2, motion.size)
    assert bool(features_NF.isfinite().all())
