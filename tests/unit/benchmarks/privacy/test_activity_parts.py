import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks.privacy.activity_parts import EqualSites, HeldOut, data_facts
from fl_common.errors import InvalidConfiguration
from simulate.world.activity import Activity


def test_held_out_persons_are_the_test_set_and_no_site(shared_data: Path) -> None:
    whole, parts = Activity(str(shared_data), None), HeldOut(str(shared_data), None, [0, 20])
    assert parts.sites == whole.sites[1:20]
    assert parts.test().groups == (whole.sites[0], whole.sites[20])
    for site in (0, 18):
        assert parts.windows(site) is whole.windows(site + 1) or np.array_equal(
            parts.windows(site).values, whole.windows(site + 1).values
        )
    held_out = parts.test().windows
    first = whole.windows(0)
    assert len(held_out) == len(first) + len(whole.windows(20))
    np.testing.assert_array_equal(held_out.values[: len(first)], first.values)
    np.testing.assert_array_equal(held_out.labels[len(first) :], whole.windows(20).labels)
    assert parts.test().group_of.tolist() == [0] * len(first) + [1] * len(whole.windows(20))


def test_no_test_person_is_among_them(shared_data: Path) -> None:
    persons = {*Activity(str(shared_data), None).test().groups}
    for held_out in ([3], [1, 2, 5]):
        parts = HeldOut(str(shared_data), None, held_out)
        assert not persons & {*parts.sites, *parts.test().groups}


@pytest.mark.parametrize(
    ("sites", "held_out", "message"),
    [
        (None, [21], r"held_out=\[21\].*0 to 20"),
        (None, [], "some, not all"),
        (None, [*range(21)], "some, not all"),
        (19, [4, 5, 6], "sites=19.*at most 18"),
    ],
)
def test_what_cannot_be_held_out(
    shared_data: Path, sites: int | None, held_out: list[int], message: str
) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        HeldOut(str(shared_data), sites, held_out)


def test_equal_sites_have_their_own_first_windows(shared_data: Path) -> None:
    whole, equal = Activity(str(shared_data), None), EqualSites(str(shared_data), None)
    assert equal.sites == whole.sites
    sizes = [len(whole.windows(person)) for person in range(len(whole.sites))]
    assert {len(equal.windows(site)) for site in range(len(equal.sites))} == {min(sizes)}
    for site in (0, 20):
        own = whole.windows(site)
        np.testing.assert_array_equal(equal.windows(site).values, own.values[: min(sizes)])
        np.testing.assert_array_equal(equal.windows(site).labels, own.labels[: min(sizes)])
    assert equal.test().groups == whole.test().groups


def test_which_copy_of_the_data_it_was(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = data_facts(shared_data)
    found = re.fullmatch(r"(.+), .+ sha256 ([0-9a-f]{16})", told)
    assert found is not None
    name, digest = found.groups()
    assert (shared_data / name).exists()
    assert data_facts(shared_data / name) == told
    changed = Activity(str(shared_data), None)
    changed.test().windows.labels[0] += 1
    monkeypatch.setattr("benchmarks.privacy.activity_parts.Activity", lambda *_: changed)
    assert digest not in data_facts(shared_data)
