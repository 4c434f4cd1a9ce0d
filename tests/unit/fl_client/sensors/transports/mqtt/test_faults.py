"""What an operator is told of a connection that ended: the remedy is one for its cause."""

import ssl

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from fl_client.sensors.transports.mqtt.faults import fault_of
from fl_common.errors import StoreFull


def raised_by(cause: Exception) -> aiomqtt.MqttError:
    """As aiomqtt raises what prevented a connection."""
    try:
        try:
            raise cause
        except Exception as error:
            raise aiomqtt.MqttError(str(error)) from None
    except aiomqtt.MqttError as found:
        return found


def refusal(identifier: int) -> Exception:
    code = ReasonCode(PacketTypes.CONNACK, identifier=identifier)
    return aiomqtt.MqttCodeError(code, "refused")


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (StoreFull("a: can't grow: the disk is full. Free some space."), "The broker keeps"),
        (refusal(0x86), "broker.password"),
        (refusal(0x87), "broker.username"),
        (raised_by(ssl.SSLCertVerificationError("certificate has expired")), "broker.ca_file"),
        (raised_by(ConnectionRefusedError("refused")), "the broker runs"),
        (aiomqtt.MqttError("Disconnected during message iteration"), "the broker runs"),
    ],
    ids=["disk", "password", "rights", "certificate", "refused", "cut"],
)
def test_each_cause_has_its_own_remedy(error: Exception, remedy: str) -> None:
    fault = fault_of(error)
    assert remedy in fault.remedy
    assert str(error).rstrip(".") in fault.cause
    assert not fault.remedy.endswith(".")
