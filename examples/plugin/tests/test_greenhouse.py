"""Each extension keeps its contract."""

from greenhouse.aggregation import ClippedMean
from greenhouse.decoders import Hundredths
from greenhouse.nets import Pooled
from greenhouse.tasks import greenhouse
from greenhouse.world import Greenhouses

from fl_client.testing import check_decoder
from fl_server.testing import check_aggregator
from models.testing import check_net
from simulate.testing import check_world

PAYLOAD = (1_700_000_000).to_bytes(4, "big") + bytes.fromhex("08981770 08a21766")


def test_the_network() -> None:
    check_net(Pooled, greenhouse(), hidden=4)


def test_the_aggregator() -> None:
    check_aggregator(ClippedMean(0.5))


def test_the_decoder() -> None:
    decoder = Hundredths(["temperature", "humidity"], rate_hz=1 / 60)
    decoded = check_decoder(decoder, PAYLOAD, ("temperature", "humidity"))
    assert decoded.values_NC.tolist() == [[22.0, 60.0], [22.1, 59.9]]
    assert decoded.times_N.tolist() == [1_700_000_000 * 10**9, 1_700_000_060 * 10**9]


def test_the_data_set() -> None:
    check_world(Greenhouses(None, 3, windows=12))
