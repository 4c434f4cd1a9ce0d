"""Which sensor comes by which transport, and declarations that no transport can serve."""

from collections.abc import Sequence

import pytest

from fl_client.configuration import read_config
from fl_client.node.assembly.sensing import Sensing, build_sensing
from fl_common.errors import InvalidConfiguration
from fl_common.programs.troubles import Troubles
from models.tasks import wearables


def sensing(overrides: Sequence[str]) -> Sensing:
    config = read_config(None, overrides)
    return build_sensing(config, wearables(), Troubles())


def test_all_come_over_the_broker_where_nothing_else_is_said() -> None:
    built = sensing(["~sensors.watch.transport", "~annotations.transport"])
    assert list(built.inlets) == ["mqtt"]
    assert built.inlets["mqtt"].transport is built.mqtt
    assert built.inlets["mqtt"].intake.addresses == ("labels/box", "sensors/box/watch")


def test_without_a_broker_nothing_publishes() -> None:
    built = sensing(["transports=http", "broker=null", "annotations=null", "sensors=none"])
    assert (list(built.inlets), built.mqtt) == (["http"], None)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["broker=null"], "transport mqtt of annotations: is not configured"),
        (["broker=null", "annotations=null"], "transport mqtt of watch: is not configured"),
        (["sensors.watch.transport=pigeon"], "transport pigeon of watch: is not configured"),
        (["+transports.mqtt={}"], "transports.mqtt: is the broker's transport"),
        (["broker=null", "annotations=null", "sensors=none"], "no way for messages to come"),
        (["+sensors.watch.silent_s=0"], "sensors.watch.silent_s=0"),
        (
            ["sensors=wearables_raw", "sensors.watch.channels.0.field=acc_X"],
            r"field=acc_X: must be one of the decoder's columns \(acc_x, acc_y",
        ),
        (["name='a\u00a0b'"], r"^name .*U\+00A0 NO-BREAK SPACE"),
        (["events.predictions='a\u2003b'"], r"^predictions .*U\+2003 EM SPACE"),
        (["payload_bytes=0"], "payload_bytes=0: must be a whole number from 1"),
    ],
)
def test_what_no_transport_or_decoder_serves_is_refused(overrides: list[str], said: str) -> None:
    with pytest.raises(InvalidConfiguration, match=said):
        sensing(overrides)
