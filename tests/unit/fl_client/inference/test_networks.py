"""Networks beside a box's model: each under its name, with states that streams carry on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl_client.inference import states
from fl_client.inference.networks import BoxNetworks
from fl_client.inference.tally import speaks_against
from fl_client.node.assembly.asked import check_names
from fl_common.errors import InvalidConfiguration, InvalidData, NoModel
from tests.support.networks import STEP_NS, asked, counting, networks_in, placed, spec


@pytest.fixture
def one(tmp_path: Path) -> BoxNetworks:
    networks = networks_in(tmp_path, "one", "other")
    placed(networks.slot("one"), tmp_path, counting())
    networks.swap("one")
    return networks


def test_a_network_is_tried_in_a_child_and_answers_by_name(one: BoxNetworks) -> None:
    digest = one.engines["one"].status().digest
    assert digest is not None
    assert one.slot("one").was_tried(digest)
    assert asked(one, "one", 0) == 8
    assert one.serves("one")
    assert not one.serves("other")
    assert not one.serves("another")
    with pytest.raises(NoModel, match="no network other"):
        asked(one, "other", 0)
    with pytest.raises(InvalidData, match="none of this box's"):
        asked(one, "another", 0)
    assert one.questions == {("one", "answered"): 1}
    shown = one.shown()["one"]
    assert (shown["answered"], shown["states"], shown["megabytes"]) == (1, 1, 200)
    assert one.troubles() == {"one": None, "other": "none serves yet"}


def test_a_stream_carries_its_state_on_and_begins_anew_after_a_gap(one: BoxNetworks) -> None:
    assert [asked(one, "one", n) for n in (0, 1, 2)] == [8, 16, 24]
    assert asked(one, "one", 2) == 24, "asked again, it has the state that it had"
    assert asked(one, "one", 2, value=2.0) == 32, "another question of the same window, too"
    assert asked(one, "one", 3) == 32, "and the first question is carried on"
    assert asked(one, "one", 5) == 8, "a window is missing"
    assert asked(one, "one", 4) == 8, "one of before"
    assert one.begun == {("one", "start"): 1, ("one", "gap"): 2}


def test_each_stream_and_each_function_has_a_state_of_its_own(one: BoxNetworks) -> None:
    assert [asked(one, "one", 0), asked(one, "one", 1)] == [8, 16]
    assert asked(one, "one", 1, stream="hall") == 8
    assert asked(one, "one", 1, function=1) == 8
    assert asked(one, "one", 2) == 24
    assert one.begun == {("one", "start"): 3}


def test_another_version_and_a_restart_begin_with_no_state(
    one: BoxNetworks, tmp_path: Path
) -> None:
    asked(one, "one", 0)
    placed(one.slot("one"), tmp_path, counting(factor=2.0))
    one.swap("one")
    assert asked(one, "one", 1) == 16
    assert one.begun == {("one", "start"): 1, ("one", "version"): 1}
    again = networks_in(tmp_path, "one", "other")
    again.swap("one")
    assert asked(again, "one", 2) == 16
    assert again.begun == {("one", "start"): 1}


def test_states_are_few_and_the_one_that_was_silent_for_longest_makes_room(
    one: BoxNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(states, "MOST", 2)
    for stream in ("a", "b", "c"):
        asked(one, "one", 0, stream=stream)
    assert one.shown()["one"]["states"] == 2
    assert asked(one, "one", 1, stream="c") == 16
    assert asked(one, "one", 1, stream="a") == 8
    assert one.begun == {("one", "start"): 3, ("one", "room"): 1}


def test_a_state_that_is_not_finite_is_not_carried_on(tmp_path: Path) -> None:
    networks = networks_in(tmp_path, "one")
    placed(networks.slot("one"), tmp_path, counting())
    networks.swap("one")
    assert asked(networks, "one", 0) == 8
    with pytest.raises(InvalidData, match="a state 's' that is not finite"):
        asked(networks, "one", 1, value=float("inf"))
    assert asked(networks, "one", 1) == 16, "the window before it goes on"
    assert networks.questions["one", "refused"] == 1


def test_answers_that_are_not_finite_count_against_the_version(tmp_path: Path) -> None:
    networks = networks_in(tmp_path, "one")
    digest = placed(networks.slot("one"), tmp_path, counting(broken=True))
    networks.swap("one")
    assert np.isnan(asked(networks, "one", 0, value=50.0))
    asked(networks, "one", 9)
    found, counts = networks.drain("one")
    assert (found, counts.questions, counts.failed) == (digest, 2, 1)
    assert networks.drain("one")[1].questions == 0


def test_a_question_of_another_form_is_refused_and_the_box_goes_on(one: BoxNetworks) -> None:
    from fl_common.functions.asked import Asker

    asker = Asker(0, "", 0)
    for shape in ((), (4,), (2, 4), (1, 2, 2)):
        values = np.zeros(shape, np.float32)
        if shape == (4,):
            assert one.ask("one", asker, values, 10.0)[0] == 0
            continue
        with pytest.raises(InvalidData):
            one.ask("one", asker, values, 10.0)
    assert asked(one, "one", 1) == 8


def test_a_network_that_does_not_fit_beside_the_others_is_refused_with_the_figures(
    one: BoxNetworks,
) -> None:
    one.check_fits("other", spec(megabytes=800))
    with pytest.raises(InvalidData, match=r"900 MB.*does not fit beside 200 MB.*1000"):
        one.check_fits("other", spec(megabytes=900))
    one.check_fits("one", spec(megabytes=900))  # in its own place
    with pytest.raises(InvalidConfiguration, match="networks_mb"):
        networks_in(Path("unused"), megabytes=0)


def test_one_that_takes_more_than_it_claims_never_serves(tmp_path: Path) -> None:
    networks = networks_in(tmp_path, "one")
    slot = networks.slot("one")
    digest = placed(slot, tmp_path, counting(), shapes=[[1, 4_000_000]], megabytes=1)
    networks.swap("one")
    assert not networks.serves("one")
    assert slot.failure(digest) is not None
    assert "was refused" in str(networks.troubles()["one"])


def test_windows_that_begin_a_little_off_are_the_next_ones(one: BoxNetworks) -> None:
    asked(one, "one", 0)
    assert asked(one, "one", 0, start_ns=STEP_NS + STEP_NS // 3) == 16


def test_a_state_that_this_box_would_begin_anew_each_time_is_refused(one: BoxNetworks) -> None:
    with pytest.raises(InvalidData, match="a window each 2 ms, and this box makes one each 1 ms"):
        one.check_fits("one", spec(hop=2))
    one.check_fits("one", spec(hop=2, inputs=["x", "s"], shapes=[[1], [1]], state={}))


@pytest.mark.parametrize(
    ("value", "took", "usual", "speaks"),
    [
        (1.0, 0.5, None, True),
        (1.0, 1.0, None, False),
        (1.0, 1.0, 0.1, True),
        (1.0, 1.0, 0.5, False),
        (float("nan"), 0.5, 0.1, False),
        (float("inf"), 1.0, 0.1, False),
    ],
)
def test_a_function_that_asks_no_numbers_or_leaves_no_time_blames_no_network(
    value: float, took: float, usual: float | None, speaks: bool
) -> None:
    assert speaks_against(np.array([value], np.float32), took, 1.0, usual) is speaks


def test_an_answer_to_no_numbers_is_no_failure(one: BoxNetworks) -> None:
    with pytest.raises(InvalidData, match="not finite"):
        asked(one, "one", 0, value=float("inf"), stream="a")
    asked(one, "one", 1, value=1.0, stream="b")
    counted = one.drain("one")[1]
    assert (counted.questions, counted.failed) == (1, 0)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("speech", "a list of names. Give such as .speech."),
        (None, "a list of names. Give .. for none"),
        (["speech", "speech"], "another model of this box"),
        (["own"], "another model of this box"),
        (["model"], "another model of this box"),
        (["../speech"], "a component's name"),
        ([3], "a component's name"),
    ],
)
def test_networks_that_have_no_names_of_their_own_are_refused(names: Any, words: str) -> None:
    with pytest.raises(InvalidConfiguration, match=words):
        check_names(names, {"own", "model"})
    check_names(["speech", "content-type"], {"own", "model"})
