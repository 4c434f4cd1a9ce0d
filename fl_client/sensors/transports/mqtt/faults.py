"""Why a connection to the broker ended or did not come about, and what to do about it."""

import ssl
from dataclasses import dataclass

import aiomqtt

from fl_common.errors import StoreError

UNSUPPORTED_VERSION = 0x84
TAKEN_OVER = 0x8E
_WRONG_USER, _NOT_AUTHORIZED, _BANNED = 0x86, 0x87, 0x8A

_REACH = "Check that the broker runs, broker.host and broker.port, and the network"
_STORE = "The broker keeps what is not acknowledged, and sends it again"
_USER = "Check broker.username and broker.password, and that the broker lets this user in"
_CERTIFICATES = (
    "Check broker.ca_file, that the broker's certificate is for broker.host and has not expired,"
    " and broker.certificate_file if the broker wants one"
)
_TAKEN = "Give each node a broker.identity of its own"


@dataclass(frozen=True)
class LinkFault:
    """Two sentences for an operator; neither ends with a full stop."""

    cause: str
    remedy: str


CONNECTING = LinkFault("no connection to the broker: connecting", _REACH)


def fault_of(error: Exception) -> LinkFault:
    """What ``error``, which ended a connection or prevented one, says to an operator."""
    if isinstance(error, StoreError):
        why = str(error).rstrip(".")
        return LinkFault(f"what the broker sends can't be stored: {why}", _STORE)
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    words = f"no connection to the broker: {error or type(error).__name__}{cause}"
    if reason_of(error) in (_WRONG_USER, _NOT_AUTHORIZED, _BANNED):
        return LinkFault(words, _USER)
    if isinstance(error, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
        return LinkFault(words, _CERTIFICATES)
    return LinkFault(words, _REACH)


def taken_over(identity: str, *, by_the_broker: bool) -> LinkFault:
    """Another client has the session of ``identity``: by the broker's word, or as it looks."""
    does = "took over" if by_the_broker else "seems to take over"
    return LinkFault(f"another client {does} the session of {identity}", _TAKEN)


def reason_of(error: BaseException) -> int | None:
    """The MQTT reason code of an error or of its cause, if there is one."""
    for one in (error, error.__cause__):
        if isinstance(one, aiomqtt.MqttCodeError) and one.rc is not None:
            return one.rc if isinstance(one.rc, int) else one.rc.value
    return None
