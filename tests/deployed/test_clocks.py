"""Boxes whose clocks are wrong, at a real server."""

from collections.abc import Iterator

import pytest

from fl_client.federation.connection import AdmissionRefused
from tests.deployed.fleet import Cloud
from tests.deployed.sessions import address, joined, key_of, new_site


@pytest.fixture(scope="module")
def cloud(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("clocks"), {"run": None})
    try:
        cloud.start()
        yield cloud
    finally:
        cloud.process.stop()


@pytest.mark.parametrize("ahead_s", [20, 590, -400])
def test_a_box_with_a_wrong_clock_signs_with_the_server_s_time(
    cloud: Cloud, ahead_s: float
) -> None:
    """Flower itself takes what is stamped from 5 s in its future to 305 s in its past."""
    site = new_site(cloud, f"clock{ahead_s}")
    with joined(address(cloud, key_of(site)), ahead_s) as session:
        assert session.pull() is None


@pytest.mark.parametrize(("ahead_s", "told"), [(7200, "ahead of"), (-7200, "behind")])
def test_a_clock_that_is_wrong_by_more_is_told_which_way_and_by_how_much(
    cloud: Cloud, ahead_s: float, told: str
) -> None:
    site = new_site(cloud, f"hours{ahead_s}")
    with (
        pytest.raises(AdmissionRefused, match=rf"clock is [12]:..:.. {told} the server's"),
        joined(address(cloud, key_of(site)), ahead_s),
    ):
        pass
