"""The digest of a world: the same for the same content, and another for any other."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulate.world import TestSet
from simulate.world.content import content_digest
from simulate.world.lazy import LazyWorld
from tests.support.own_data import world as own
from tests.support.samples import TASK, windows
from tests.unit.simulate.world.small_mnist import arrays
from tests.unit.simulate.world.test_arrays import data, saved
from tests.unit.simulate.world.test_digits import world as digits

Data = dict[str, Any]


def digest_of_own(folder: Path, content: Data) -> str:
    return content_digest(own(saved(folder, content)))


def digest_of_digits(folder: Path, content: Data) -> str:
    np.savez(folder / "mnist.npz", **content)
    return content_digest(digits(folder))


def rotated(column: str) -> Callable[[Data], None]:
    def change(content: Data) -> None:
        content[column] = np.roll(content[column], 1, axis=0)

    return change


def other_number(content: Data) -> None:
    content["x"][-1].flat[-1] += 1


CASES = [
    *((digest_of_own, data, change) for change in (other_number, rotated("y"), rotated("site"))),
    *((digest_of_digits, arrays, change) for change in (other_number, rotated("y"))),
]


@pytest.mark.parametrize(("digest", "content", "change"), CASES)
def test_one_change_of_a_file_is_another_content(
    digest: Callable[[Path, Data], str],
    content: Callable[[], Data],
    change: Callable[[Data], None],
    tmp_path: Path,
) -> None:
    places = [tmp_path / name for name in ("here", "there", "changed")]
    for place in places:
        place.mkdir()
    before, after = content(), content()
    change(after)
    assert digest(places[0], before) == digest(places[1], content())
    assert digest(places[0], before) != digest(places[2], after)


@pytest.mark.parametrize("site", [0, 2])
def test_each_site_and_the_test_set_count(site: int) -> None:
    def digest(seeds: tuple[int, ...], test_seed: int = 9) -> str:
        held_out = TestSet(windows(seed=test_seed), np.zeros(32, np.int64), ("all",))
        sites = [windows(seed=seed) for seed in seeds]
        names = tuple(f"site {i}" for i in range(len(sites)))
        return content_digest(LazyWorld(TASK, names, sites.__getitem__, None, held_out))

    seeds = [0, 1, 2]
    before = digest(tuple(seeds))
    seeds[site] = 7
    assert digest(tuple(seeds)) != before
    assert digest((0, 1, 2), test_seed=8) != before
    assert digest((0, 1, 2)) == before


def test_no_site_is_cut_where_the_base_says_it_all(tmp_path: Path) -> None:
    np.savez(tmp_path / "mnist.npz", **arrays())
    world = digits(tmp_path)
    world.windows = lambda index: pytest.fail(f"site {index} was cut")  # type: ignore[method-assign]
    content_digest(world)
