"""A round begins without a site that is away: after one grace, and not before the quorum."""

from collections.abc import Callable, Sequence

from fl_server.cloud.gathering import Gathering
from fl_server.rounds.quorum import EVERYBODY, Quorum
from fl_server.rounds.roster import Member
from fl_server.rounds.sampling import ClientSampling
from simulate.engines.slow import SimulatedTime

GRACE_S = 10.0
ALL = ClientSampling(None, 1.0, 1)


def connecting(time: SimulatedTime, *at: float) -> Callable[[], Sequence[Member]]:
    """Sites that are connected from these times on."""
    return lambda: [Member(n, f"s{n}") for n, second in enumerate(at) if time() >= second]


def gathering(
    time: SimulatedTime, quorum: Quorum, sampling: ClientSampling = ALL, sites: int = 5
) -> Gathering:
    return Gathering(sites, quorum, sampling, time, time.wait)


def test_a_round_begins_at_once_where_all_are_there() -> None:
    time = SimulatedTime()
    assert len(gathering(time, Quorum(0.6, GRACE_S))(connecting(time, *[0.0] * 5))) == 5
    assert time() == 0.0


def test_a_site_that_is_away_costs_the_grace_once() -> None:
    time = SimulatedTime()
    gather, connected = gathering(time, Quorum(0.6, GRACE_S)), connecting(time, 0, 0, 0, 0, 1e9)
    assert len(gather(connected)) == 4
    assert GRACE_S <= time() <= GRACE_S + 0.5
    began = time()
    assert len(gather(connected)) == 4
    assert time() == began


def test_a_quorum_that_breaks_up_gets_its_grace_anew() -> None:
    time = SimulatedTime()
    gather = gathering(time, Quorum(0.6, GRACE_S))
    gather(connecting(time, 0, 0, 0, 0, 1e9))
    began = time()
    gather(connecting(time, 0, 0, began + 5, 1e9, 1e9))
    assert time() >= began + 5 + GRACE_S


def test_without_a_quorum_it_waits_for_all() -> None:
    time = SimulatedTime()
    assert len(gathering(time, EVERYBODY)(connecting(time, 0, 0, 0, 0, 700))) == 5
    assert time() >= 700


def test_it_waits_for_as_many_as_a_round_samples() -> None:
    time, eight = SimulatedTime(), ClientSampling(8, 1.0, 1)
    connected = connecting(time, *[0.0] * 7, 50.0, 1e9, 1e9)
    assert len(gathering(time, Quorum(0.6, GRACE_S), eight, 10)(connected)) == 8
    assert time() >= 50.0
